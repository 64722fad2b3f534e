//! The meaning of files, from the outside: what a text and its surroundings amount to.

mod diagnostics;
mod hostile;
mod lives;
mod loading;

use abide::model::desired::Entry;
use abide::model::limits::{Bound, Ceilings, LimitKind};
use abide::model::name::ServiceName;
use abide::source::config::Config;
use abide::source::load::load;
use abide::source::{Material, Surroundings, Text};
use std::collections::BTreeMap;

/// A machine that does not depend on who runs the test: root's, with few descriptors.
fn machine() -> Surroundings {
    let hard = BTreeMap::from([(LimitKind::OpenFiles, Bound(4096)), (LimitKind::Core, Bound(0))]);
    Surroundings {
        ceilings: Ceilings { hard, may_raise: false, nr_open: 1 << 20, uid: 0 },
        environment: BTreeMap::new(),
        uid: 0,
        is_init: false,
        preflight: true,
        advise: false,
    }
}

/// `services.d/web.toml` with this text and these drop-ins.
fn load_with(around: &Surroundings, config: &Config, main: &[u8], drop_ins: &[&str]) -> Entry {
    let main = Text { path: "services.d/web.toml".into(), bytes: main.to_vec() };
    let drop_in = |(index, text): (usize, &&str)| Text {
        path: format!("services.d/web.toml.d/{index}.toml").into(),
        bytes: text.as_bytes().to_vec(),
    };
    let drop_ins = drop_ins.iter().enumerate().map(drop_in).collect();
    let name = ServiceName::new("web").expect("legal");
    load(around, config, &name, &Material::Toml { main, drop_ins })
}
