//! Texts over which abide died: what is being loaded stands in the table, and who comes after a death knows by that
//! which text it was. It is treated as a bad file until it changes.

use crate::model::desired::Entry;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::name::ServiceName;
use crate::source::{Loaded, Material};
use crate::table::Table;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the keys of such texts begin with, in the ledger.
pub(super) const KEY: &str = "poison/";

/// Those that are known, by name: the digest of the text.
#[derive(Debug)]
pub(super) struct Poison {
    table: Arc<Table>,
    known: BTreeMap<String, u64>,
}

impl Poison {
    /// Those on record, and the one that the last supervisor died over, which is `new`.
    pub(super) fn new(table: Arc<Table>, records: &BTreeMap<String, Vec<u8>>, new: Option<&(String, u64)>) -> Self {
        let number = |text: &Vec<u8>| str::from_utf8(text).ok()?.parse().ok();
        let recorded =
            records.iter().filter_map(|(key, text)| Some((key.strip_prefix(KEY)?.to_owned(), number(text)?)));
        let known = recorded.chain(new.cloned()).collect();
        Self { table, known }
    }

    /// Has `material` loaded by `load`, unless that has been the end of a supervisor.
    pub(super) fn guard(&self, name: &ServiceName, material: &Material, load: impl FnOnce() -> Loaded) -> Loaded {
        let digest = material.digest();
        if self.known.get(name.as_str()) == Some(&digest) {
            return refuse(name, material);
        }
        self.table.begin_loading(name.as_str(), digest);
        let loaded = load();
        self.table.end_loading();
        loaded
    }
}

fn refuse(name: &ServiceName, material: &Material) -> Loaded {
    let finding = Diagnostic::error(material.file(), Code::Poison, "abide died while it read this text");
    let finding = finding.help("change it, and tell the authors of abide what it said");
    let entry = Entry {
        file: material.file().to_owned(),
        drop_ins: Vec::new(),
        kind: material.kind(),
        file_hash: None,
        service: None,
        diagnostics: vec![finding],
        inputs: Vec::new(),
        delegated: None,
    };
    match material {
        Material::Supervisord(programs) => {
            let known: BTreeSet<&ServiceName> = programs.known.values().flatten().collect();
            let problems = if known.is_empty() { entry.diagnostics.clone() } else { Vec::new() };
            Loaded { entries: known.into_iter().map(|name| (name.clone(), entry.clone())).collect(), problems }
        }
        _ => (name.clone(), entry).into(),
    }
}
