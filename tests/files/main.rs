//! The meaning of files, from the outside: what a text and its surroundings amount to.

mod diagnostics;
mod hostile;
mod lives;
mod loading;
mod programs;

use abide::model::capability;
use abide::model::desired::Entry;
use abide::model::limits::{Bound, Ceilings, LimitKind, Rights};
use abide::model::name::ServiceName;
use abide::model::resources::{Cgroups, Controller};
use abide::source::config::Config;
use abide::source::load::load_file;
use abide::source::{Surroundings, Text};
use std::collections::BTreeMap;

/// A machine that does not depend on who runs the test: root's, with few descriptors.
fn machine() -> Surroundings {
    let hard = BTreeMap::from([(LimitKind::OpenFiles, Bound(4096)), (LimitKind::Core, Bound(0))]);
    // As on a machine between the two versions.
    let cgroups = Cgroups { v1: [Controller::Memory, Controller::Pids].into(), ..Cgroups::default() };
    Surroundings {
        ceilings: Ceilings {
            soft: hard.clone(),
            hard,
            may_raise: false,
            nr_open: 1 << 20,
            uid: 0,
            cgroups,
            rights: root(),
        },
        environment: BTreeMap::new(),
        uid: 0,
        umask: 0o022,
        is_init: false,
        preflight: true,
        advise: false,
        delegation: None,
    }
}

/// What root may do in most containers: much, but nothing to the machine.
fn root() -> Rights {
    let all = (1 << 41) - 1;
    let some = all & !(1 << capability::SYS_ADMIN | 1 << capability::SYS_RESOURCE | 1 << capability::SYS_NICE);
    Rights {
        effective: some,
        bounding: some,
        permitted: some,
        last_capability: 40,
        nice: 0,
        nice_limit: 0,
        realtime_limit: 0,
        oom_score_adjust: 0,
        cpus: vec![0, 1],
    }
}

/// `services.d/web.toml` with this text and these drop-ins.
fn load_with(around: &Surroundings, config: &Config, main: &[u8], drop_ins: &[&str]) -> Entry {
    let main = Text { path: "services.d/web.toml".into(), bytes: main.to_vec() };
    let drop_in = |(index, text): (usize, &&str)| Text {
        path: format!("services.d/web.toml.d/{index}.toml").into(),
        bytes: text.as_bytes().to_vec(),
    };
    let drop_ins: Vec<Text> = drop_ins.iter().enumerate().map(drop_in).collect();
    let name = ServiceName::new("web").expect("legal");
    load_file(around, config, &name, &main, &drop_ins)
}
