//! The services that take the output of others: they come, change and go with those.

use super::backlog::FileChange;
use super::fleet::Fleet;
use super::judge::Charge;
use super::member::Member;
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::log_command;
use crate::model::name::{InstanceId, ServiceName};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

impl Fleet {
    /// What has to become of the log commands of `names`, of which something may have changed.
    pub(super) fn log_commands<'a>(&self, names: impl Iterator<Item = &'a ServiceName>) -> Vec<FileChange> {
        // One whose name was another's for a while is due when that one is gone.
        let whose = |name: &ServiceName| ServiceName::new(name.as_str().strip_suffix(log_command::SUFFIX)?).ok();
        let writers: BTreeSet<ServiceName> =
            names.flat_map(|name| [Some(name.clone()), whose(name)]).flatten().collect();
        writers.iter().filter_map(|writer| self.log_command_of(writer)).collect()
    }

    fn log_command_of(&self, writer: &ServiceName) -> Option<FileChange> {
        let name = log_command::name(writer)?;
        let there = self.members.get(&name).filter(|member| !member.removed);
        let in_force = there.and_then(|member| member.accepted.as_ref());
        let is_ours = there.is_some_and(|member| member.is_log_command_of(writer));
        let member = self.members.get(writer);
        let wanted = member.and_then(|member| member.accepted.as_ref()).and_then(|it| it.service.log_command());
        match (wanted, member) {
            (Some(wanted), Some(writer)) if is_ours || there.is_none() => {
                let definition = Definition::from(wanted);
                let is_new = in_force.is_none_or(|old| old.version != definition.version);
                is_new.then(|| {
                    let entry = Entry {
                        file: writer.file.clone(),
                        drop_ins: writer.drop_ins.clone(),
                        kind: definition.service.kind,
                        file_hash: writer.file_hash,
                        service: Some(Arc::new(definition)),
                        diagnostics: Vec::new(),
                        inputs: Vec::new(),
                        delegated: writer.delegated.clone(),
                    };
                    (name, Some(entry))
                })
            }
            (None, _) if is_ours => Some((name, None)),
            _ => None,
        }
    }

    /// Whether `name` takes the output of `writer`.
    pub(super) fn reads(&self, name: &ServiceName, writer: &ServiceName) -> bool {
        self.members.get(name).is_some_and(|member| member.is_log_command_of(writer))
    }

    /// Whether the one whose output this one takes is on its way down, and not to come back.
    pub(super) fn writer_goes(&self, reader: &InstanceId) -> bool {
        let writer = reader.service.as_str().strip_suffix(log_command::SUFFIX).and_then(|name| self.members.get(name));
        writer.and_then(|it| it.instances.get(reader.index as usize)).is_some_and(|it| !it.want)
    }

    /// What is wrong with `definition` because a log command and another service would have one name.
    pub(super) fn name_is_taken(&self, name: &ServiceName, definition: &Definition) -> Option<Charge> {
        let service = &definition.service;
        if service.reads.is_some() {
            return None;
        }
        let of = |name: &ServiceName| self.members.get(name).filter(|member| !member.removed);
        let reads = |name| of(name)?.accepted.as_ref()?.service.reads.clone();
        let file = of(name).map_or(Path::new(""), |member| &member.file);
        if let Some(writer) = reads(name) {
            let message = format!("the log command of {writer} has the name {name}");
            let finding = Diagnostic::error(file, Code::DuplicateName, message).help("rename this file");
            return Some(Charge { findings: vec![finding], offered: None, missing: vec![writer] });
        }
        let reader = service.log_command_name()?;
        let other = of(&reader).filter(|member| !member.is_log_command_of(name))?;
        let message =
            format!("the log command would be called {reader}, as is the service of {}", other.file.display());
        let finding = Diagnostic::error(file, Code::DuplicateName, message).help("rename one of the two files");
        Some(Charge { findings: vec![finding], offered: None, missing: vec![reader] })
    }
}

impl Member {
    /// Whether it is there since that service has one.
    fn is_log_command_of(&self, writer: &ServiceName) -> bool {
        let in_force = self.accepted.as_ref().and_then(|definition| definition.service.reads.as_ref());
        [in_force, self.follows.as_ref()].contains(&Some(writer))
    }
}
