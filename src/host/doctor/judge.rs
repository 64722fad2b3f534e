//! From facts to findings: kernel, place, cgroups, inotify, clock, watched directories. Pure.

use super::machine::Machine;
use crate::model::look::{Finding, Level};
use crate::model::resources::{Controller, ResourceKind};
use crate::model::status::{Mechanism, SourceState, SourceStatus};
use std::collections::BTreeSet;

/// The oldest kernel that abide is made for.
const OLDEST: (u32, u32) = (5, 10);
/// Since this kernel a group is killed by one write.
const CGROUP_KILL: (u32, u32) = (5, 14);
/// 2024 began: no clock that is right shows less.
const NOT_BEFORE: i64 = 1_704_067_200_000_000;

/// The kernel, and the calls that abide makes of it.
pub(super) fn kernel(machine: &Machine) -> Finding {
    let what = "kernel";
    let release = &machine.release;
    if !machine.pidfd {
        let says =
            format!("Linux {release} refuses pidfd_open: no signal can be sent to the right process for certain");
        let remedy = "use Linux 5.10 or later; in a container, one whose seccomp profile allows pidfd_open";
        return Finding::amiss(what, Level::Error, says, remedy);
    }
    let version = version(release);
    if version.is_some_and(|version| version < OLDEST) {
        let says = format!("Linux {release} is older than abide is made for and tested on");
        return Finding::amiss(what, Level::Warning, says, "use Linux 5.10 or later");
    }
    let older = version.is_some_and(|version| version < CGROUP_KILL) || !machine.cgroup_kill;
    let lacks =
        if older { "; without cgroup.kill (5.14), so that what forks fast is killed in several rounds" } else { "" };
    let filtered = if machine.clone3 { "" } else { "; clone3 is refused, and the older clone used" };
    Finding::ok(what, format!("Linux {release} has all that abide needs{lacks}{filtered}"))
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// `/proc`, by which processes are known.
pub(super) fn processes(machine: &Machine) -> Finding {
    let what = "processes";
    if machine.release.is_empty() {
        let says = "/proc cannot be read: nothing can be told of any process";
        return Finding::amiss(what, Level::Error, says, "mount /proc");
    }
    match &machine.hidepid {
        Some(value) if machine.uid() != 0 => {
            let says = format!("/proc hides the processes of others (hidepid={value}): what they use is not told");
            let remedy = "mount /proc without hidepid, or with gid= of a group that abide is in";
            Finding::amiss(what, Level::Warning, says, remedy)
        }
        _ => Finding::ok(what, "/proc tells of all processes that abide may look at"),
    }
}

/// Who keeps abide alive.
pub(super) fn place(machine: &Machine) -> Option<Finding> {
    let what = "place";
    let (keeper, cgroup) = (machine.keeper?, machine.cgroup.as_str());
    if keeper == 1 {
        return Some(Finding::ok(
            what,
            "abide is the first process here: all ends with it, and it reaps for everybody",
        ));
    }
    if !machine.systemd {
        let says = format!("abide is process {keeper}, below an init that is not systemd");
        return Some(Finding::ok(what, says));
    }
    if cgroup.contains("/session-") {
        let says = "abide was started from a login session: systemd may end it with that, and does not start it again";
        return Some(Finding::amiss(
            what,
            Level::Warning,
            says,
            "start it from a unit, with Restart=on-failure and Delegate=yes",
        ));
    }
    if cgroup.contains("/user@") && !machine.lingers {
        let says = "abide runs below the systemd of a user: it ends when that user's last session does";
        return Some(Finding::amiss(what, Level::Warning, says, "let it linger: `loginctl enable-linger`"));
    }
    let unit = cgroup.split('/').rfind(|part| is_unit(part));
    Some(Finding::ok(
        what,
        format!(
            "abide is process {keeper}, below systemd{}",
            unit.map_or_else(String::new, |unit| format!(" ({unit})"))
        ),
    ))
}

fn is_unit(part: &str) -> bool {
    part.rsplit_once('.').is_some_and(|(_, kind)| matches!(kind, "service" | "scope"))
}

/// Cgroups, and what can be set in them.
pub(super) fn cgroups(machine: &Machine) -> Finding {
    let (what, cgroups) = ("cgroups", &machine.cgroups);
    let names =
        |controllers: &BTreeSet<Controller>| controllers.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    let refused: Vec<&str> =
        ResourceKind::ALL.into_iter().filter(|kind| cgroups.place(*kind).is_err()).map(ResourceKind::key).collect();
    let without = match refused.as_slice() {
        [] => String::new(),
        some => format!("; a file that asks for {} of [resources] is refused", some.join(", ")),
    };
    let remedy = if machine.systemd {
        "start abide from a unit with Delegate=yes"
    } else {
        "give abide a cgroup v2 directory that it may write, with the controllers memory, cpu and pids enabled in \
         cgroup.subtree_control above it"
    };
    if let Some(note) = cgroups.note.as_ref().filter(|_| cgroups.directory.is_none()) {
        let says = format!(
            "{note}: process groups and a mark in the environment stand for cgroups, and a process that hides from both \
             can outlive its service{without}"
        );
        return Finding::amiss(what, Level::Warning, says, remedy);
    }
    let all = [("v2", &cgroups.v2), ("v1", &cgroups.v1)];
    let had: Vec<String> = all
        .into_iter()
        .filter(|(_, controllers)| !controllers.is_empty())
        .map(|(kind, controllers)| format!("{} ({kind})", names(controllers)))
        .collect();
    let had = if had.is_empty() { "no controllers".to_owned() } else { had.join(", ") };
    let says = format!("each run has a cgroup v2 of its own; controllers: {had}{without}");
    let usual = [Controller::Memory, Controller::Cpu, Controller::Pids];
    if usual.iter().all(|controller| cgroups.v2.contains(controller) || cgroups.v1.contains(controller)) {
        return Finding::ok(what, says);
    }
    Finding::amiss(what, Level::Warning, says, remedy)
}

/// Inotify, by which changes are noticed at once.
pub(super) fn inotify(machine: &Machine) -> Finding {
    let (what, it) = ("inotify", machine.inotify);
    let says = format!(
        "{} of {} instances and {} of {} watches of this user are taken; a queue holds {} events",
        it.instances, it.most_instances, it.watches, it.most_watches, it.queued
    );
    let amiss = |level, means: &str, key: &str, value: u64| {
        let remedy = format!("raise it: `sysctl fs.inotify.{key}={value}`, and write it into /etc/sysctl.d");
        Finding::amiss(what, level, format!("{says}; {means}"), remedy)
    };
    let late = "without one, changes are noticed late, by looking again and again";
    if it.most_instances == 0 {
        let remedy = "use a kernel with CONFIG_INOTIFY_USER";
        return Finding::amiss(what, Level::Warning, "there is no inotify: changes are noticed late", remedy);
    }
    match it.most_instances.saturating_sub(it.instances) {
        0 => return amiss(Level::Error, late, "max_user_instances", it.most_instances.max(128) * 4),
        1..8 => return amiss(Level::Warning, late, "max_user_instances", it.most_instances.max(128) * 4),
        _ => {}
    }
    if it.watches.saturating_mul(10) >= it.most_watches.saturating_mul(9) {
        return amiss(Level::Warning, late, "max_user_watches", it.most_watches.max(8192) * 4);
    }
    if it.queued < 1024 {
        return amiss(
            Level::Warning,
            "many changes at once overflow it, and everything is read again",
            "max_queued_events",
            16_384,
        );
    }
    Finding::ok(what, says)
}

/// Core dumps of programs that change who they are.
pub(super) fn dumpable(machine: &Machine) -> Finding {
    let what = "suid_dumpable";
    if machine.suid_dumpable != 1 || machine.uid() != 0 {
        return Finding::ok(what, format!("fs.suid_dumpable is {}", machine.suid_dumpable));
    }
    let says = "fs.suid_dumpable is 1: a service with a `user` is started in a copy of abide's memory, which is slower";
    Finding::amiss(what, Level::Warning, says, "set it to 0 or 2: `sysctl fs.suid_dumpable=2`")
}

/// The clock of day.
pub(super) fn clock(machine: &Machine) -> Finding {
    let what = "clock";
    if machine.now.0 < NOT_BEFORE {
        let says = format!("it is {} here: the times in logs and in the status are wrong", machine.now.rfc3339());
        return Finding::amiss(what, Level::Error, says, "set the clock, and let chrony or systemd-timesyncd keep it");
    }
    let kept = match machine.synchronised {
        Some(true) => "the clock is kept right",
        Some(false) => "nobody tells the kernel that the clock is kept right",
        None => "the kernel does not tell whether the clock is kept right",
    };
    Finding::ok(what, format!("{kept}; delays and time-outs do not depend on it"))
}

/// One watched directory.
pub(super) fn source(source: &SourceStatus) -> Finding {
    let what = format!("watched {}", source.path);
    let reason = source.reason.as_deref().unwrap_or("it is not known why");
    match (source.state, source.mechanism) {
        (SourceState::Ok, Mechanism::Inotify) => {
            let services =
                if source.entries == 1 { "1 service".to_owned() } else { format!("{} services", source.entries) };
            Finding::ok(&what, format!("{services}; changes are noticed at once, by inotify"))
        }
        (SourceState::Ok | SourceState::Degraded, _) => {
            let says = format!("changes are noticed late, by looking again and again: {reason}");
            let remedy = "raise what is too small (see inotify), or keep the directory on a local file system";
            Finding::amiss(&what, Level::Warning, says, remedy)
        }
        (SourceState::Suspect | SourceState::Absent, _) => {
            let says = format!("nothing is read there, and nothing is stopped because of that: {reason}");
            let remedy = "bring it back; abide notices by itself";
            Finding::amiss(&what, Level::Error, says, remedy)
        }
    }
}
