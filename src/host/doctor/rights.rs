//! From facts to findings: capabilities and limits, for as many services as there are. Pure.

use super::machine::Machine;
use crate::model::capability::{self, list};
use crate::model::limits::{Bound, LimitKind};
use crate::model::look::{Finding, Level};

/// Descriptors that abide's own processes have beside one for each instance.
const OWN_FILES: u64 = 64;
/// Fewer are soon too few for a server.
const FEW_FILES: u64 = 4096;
/// Pages of a pipe that was made while there was room.
const PIPE_PAGES: u64 = 16;

/// Capabilities, as far as abide has a use for them: the number, and what is not possible without it.
const USED: [(u32, &str); 6] = [
    (capability::SYS_RESOURCE, "limits above the hard ones of abide and a lower OOM score cannot be had"),
    (capability::SYS_NICE, "negative nice values and real-time scheduling cannot be had"),
    (capability::SYS_ADMIN, "private_tmp, read_only_paths and other namespaces cannot be had"),
    (capability::SYS_CHROOT, "chroot cannot be had"),
    (capability::SETPCAP, "capabilities cannot be taken from services"),
    (NET_BIND_SERVICE, "services cannot listen on ports below 1024"),
];
const KILL: u32 = 5;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const NET_BIND_SERVICE: u32 = 10;

/// What abide may.
pub(super) fn capabilities(machine: &Machine) -> Option<Finding> {
    let what = "rights";
    let ceilings = machine.ceilings.as_ref()?;
    let vital =
        [SETUID, SETGID, KILL].into_iter().filter(|number| !machine.has(*number)).fold(0, |mask, n| mask | 1 << n);
    let lacks: Vec<&str> = USED.iter().filter(|(number, _)| !machine.has(*number)).map(|(_, means)| *means).collect();
    let without = |all: &[&str]| if all.is_empty() { String::new() } else { format!("; {}", all.join("; ")) };
    if ceilings.uid != 0 {
        let says = format!("abide is uid {}, and so are all its services{}", ceilings.uid, without(&lacks));
        return Some(Finding::ok(what, says));
    }
    if vital != 0 {
        let says =
            format!("abide is root without {}: services of other users cannot be started and ended", list(vital));
        let remedy = "give it these capabilities: CapabilityBoundingSet= of the unit, --cap-add of the container";
        return Some(Finding::amiss(what, Level::Warning, says, remedy));
    }
    Some(Finding::ok(what, format!("abide is root{}", without(&lacks))))
}

/// Open files: of abide, which has one for each instance, and of services, which have its limits.
pub(super) fn open_files(machine: &Machine) -> Finding {
    let what = "open files";
    let limit = machine.limit(LimitKind::OpenFiles);
    let hard = if machine.has(capability::SYS_RESOURCE) {
        machine.ceilings.as_ref().map_or(limit.hard.0, |ceilings| ceilings.nr_open)
    } else {
        limit.hard.0
    };
    let remedy = "raise it: LimitNOFILE= in the unit, --ulimit nofile= of the container, /etc/security/limits.conf";
    let says = format!("abide and each of its services may have {}", number(hard));
    let needed = machine.instances + OWN_FILES;
    if needed > hard {
        let says = format!("{says}; abide needs {} for {} instances", number(needed), number(machine.instances));
        return Finding::amiss(what, Level::Error, says, remedy);
    }
    if hard < FEW_FILES || needed.saturating_mul(5) > hard.saturating_mul(4) {
        let says = format!("{says}, which is enough for {} instances", number(hard.saturating_sub(OWN_FILES)));
        return Finding::amiss(what, Level::Warning, says, remedy);
    }
    Finding::ok(what, says)
}

/// Processes of a user who is not root.
pub(super) fn user_processes(machine: &Machine) -> Finding {
    let what = "user processes";
    let limit = machine.limit(LimitKind::Processes);
    // The kernel does not hold root to it, nor who may raise limits.
    if machine.uid() == 0 || machine.has(capability::SYS_RESOURCE) || limit.soft == Bound::UNLIMITED {
        return Finding::ok(what, "their number is not limited for abide");
    }
    let says = format!("this user may have {} processes and threads in all", number(limit.soft.0));
    if limit.soft.0 >= 256 && limit.soft.0 / 4 >= machine.instances {
        return Finding::ok(what, says);
    }
    let says = format!("{says}, for {} instances and all else that it runs", number(machine.instances));
    let remedy = "raise it: `ulimit -u`, LimitNPROC= in the unit, /etc/security/limits.conf";
    Finding::amiss(what, Level::Warning, says, remedy)
}

/// Memory of pipes, one of which every instance has for its output.
pub(super) fn pipes(machine: &Machine) -> Finding {
    let what = "pipes";
    let may_exceed = machine.has(capability::SYS_RESOURCE) || machine.has(capability::SYS_ADMIN);
    if machine.pipe_pages == 0 || may_exceed {
        return Finding::ok(what, "their size is not limited for abide");
    }
    let enough = machine.pipe_pages / PIPE_PAGES;
    let says = format!(
        "{} pages of pipes are allowed to this user: enough for {} instances",
        number(machine.pipe_pages),
        number(enough)
    );
    if machine.instances <= enough {
        return Finding::ok(what, says);
    }
    let says = format!(
        "{says}, and there are {}: the pipes of the others are small, and who writes fast waits sooner",
        number(machine.instances)
    );
    Finding::amiss(what, Level::Warning, says, "raise it: `sysctl fs.pipe-user-pages-soft=0`")
}

fn number(number: u64) -> String {
    if number == Bound::UNLIMITED.0 { "any number".to_owned() } else { number.to_string() }
}
