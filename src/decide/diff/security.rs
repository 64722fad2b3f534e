//! What differs in how a service is scheduled, and in what it may do and see. A process that runs keeps
//! what it was given: each costs a restart.

use super::Changes;
use crate::model::capability;
use crate::model::plan::Price;
use crate::model::schedule::{Schedule, ranges};
use crate::model::security::Security;
use std::fmt::Display;

pub(super) fn input(file: Option<&String>) -> String {
    file.map_or_else(|| "null".to_owned(), |file| format!("file:{file}"))
}

pub(super) fn schedule(found: &mut Changes, old: Option<&Schedule>, new: Option<&Schedule>) {
    let (old, new) = (old.cloned().unwrap_or_default(), new.cloned().unwrap_or_default());
    let Schedule { nice, io, cpu_affinity, oom_score_adjust, realtime } = old;
    let mut texts = |key, old, new| found.texts(key, old, new, Price::Restart);
    texts("schedule.nice", shown(nice), shown(new.nice));
    texts("schedule.io_class", shown(io), shown(new.io));
    let cpus = |cpus: Option<Vec<u32>>| cpus.map(|cpus| ranges(&cpus));
    texts("schedule.cpu_affinity", cpus(cpu_affinity), cpus(new.cpu_affinity));
    texts("schedule.oom_score_adjust", shown(oom_score_adjust), shown(new.oom_score_adjust));
    texts("schedule.realtime", shown(realtime), shown(new.realtime));
}

pub(super) fn security(found: &mut Changes, old: Option<&Security>, new: Option<&Security>) {
    let (old, new) = (old.cloned().unwrap_or_default(), new.cloned().unwrap_or_default());
    let Security {
        no_new_privileges,
        capabilities,
        ambient_capabilities,
        chroot,
        private_tmp,
        read_only_paths,
        inaccessible_paths,
        private_network,
        hostname,
    } = old;
    let switches = [
        ("security.no_new_privileges", no_new_privileges, new.no_new_privileges),
        ("security.private_tmp", private_tmp, new.private_tmp),
        ("security.private_network", private_network, new.private_network),
    ];
    for (key, old, new) in switches {
        found.field(key, old, new, |on| on.to_string(), Price::Restart);
    }
    let mut texts = |key, old, new| found.texts(key, old, new, Price::Restart);
    let set = |mask: Option<u64>| mask.map(capability::list);
    texts("security.capabilities", set(capabilities), set(new.capabilities));
    texts("security.ambient_capabilities", set(ambient_capabilities), set(new.ambient_capabilities));
    texts("security.chroot", chroot, new.chroot);
    texts("security.hostname", hostname, new.hostname);
    let list = |paths: Vec<String>| (!paths.is_empty()).then(|| paths.join(", "));
    texts("security.read_only_paths", list(read_only_paths), list(new.read_only_paths));
    texts("security.inaccessible_paths", list(inaccessible_paths), list(new.inaccessible_paths));
}

fn shown<T: Display>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}
