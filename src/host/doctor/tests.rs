use super::machine::{Inotify, Machine};
use super::*;
use crate::model::limits::{Bound, Ceilings, Limit, LimitKind, Rights};
use crate::model::resources::Controller;
use crate::model::status::{Mechanism, SourceState};
use crate::model::time::Wall;

#[test]
fn every_finding_that_is_not_well_says_what_to_do() {
    let here = std::env::temp_dir();
    let directories = Directories { runtime: here.clone(), state: here.clone(), log: here };
    let all: Vec<Finding> = look(None).into_iter().chain(look_at_disks(&directories)).collect();
    assert!(all.len() > 10);
    for finding in &all {
        assert_eq!(finding.remedy.is_none(), finding.level == Level::Ok, "{finding:?}");
        assert!(!finding.says.is_empty() && !finding.says.ends_with('.'), "{finding:?}");
    }
    let mut names: Vec<&str> = all.iter().map(|finding| finding.what.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len(), "each matter once");
}

/// A machine on which all is well: root, systemd, cgroup v2 with all controllers.
fn well() -> Machine {
    let rights = Rights {
        effective: u64::MAX,
        bounding: u64::MAX,
        permitted: u64::MAX,
        last_capability: 40,
        nice: 0,
        nice_limit: 0,
        realtime_limit: 0,
        oom_score_adjust: 0,
        cpus: Vec::new(),
    };
    let ceilings = Ceilings {
        nr_open: 1 << 20,
        soft: std::collections::BTreeMap::new(),
        hard: [(LimitKind::OpenFiles, Bound(1 << 20))].into(),
        may_raise: true,
        uid: 0,
        cgroups: Cgroups::default(),
        rights,
    };
    let cgroups = Cgroups {
        directory: Some("/sys/fs/cgroup/abide".to_owned()),
        v2: Controller::ALL.into_iter().collect(),
        ..Cgroups::default()
    };
    Machine {
        release: "6.12.3-cloud".to_owned(),
        pidfd: true,
        clone3: true,
        keeper: Some(812),
        instances: 100,
        systemd: true,
        cgroup: "/system.slice/abide.service".to_owned(),
        cgroups,
        cgroup_kill: true,
        ceilings: Some(ceilings),
        pipe_pages: 16_384,
        inotify: Inotify { instances: 3, most_instances: 128, watches: 50, most_watches: 65_536, queued: 16_384 },
        now: Wall(1_800_000_000_000_000),
        synchronised: Some(true),
        ..Machine::default()
    }
}

/// The same as a user without any capability.
fn user() -> Machine {
    let mut machine = well();
    if let Some(ceilings) = &mut machine.ceilings {
        (ceilings.uid, ceilings.rights.effective, ceilings.may_raise) = (1000, 0, false);
    }
    machine.limits = [(LimitKind::OpenFiles, limit(20_000)), (LimitKind::Processes, limit(5000))].into();
    machine
}

fn limit(number: u64) -> Limit {
    Limit { soft: Bound(number), hard: Bound(number) }
}

fn all(machine: &Machine) -> Vec<Finding> {
    judged(machine).collect()
}

fn changed(mut machine: Machine, change: impl FnOnce(&mut Machine)) -> Machine {
    change(&mut machine);
    machine
}

#[test]
fn on_a_machine_that_has_all_there_is_nothing_to_do_for_root_and_for_a_user() {
    for machine in [well(), user()] {
        let amiss: Vec<_> = all(&machine).into_iter().filter(|finding| finding.level != Level::Ok).collect();
        assert!(amiss.is_empty(), "{amiss:#?}");
    }
}

#[test]
fn each_lack_is_found_as_what_it_is_and_nothing_else_is() {
    let number = |kind, most| {
        move |m: &mut Machine| {
            m.limits.insert(kind, limit(most));
        }
    };
    let cases: Vec<(&str, Level, &str, Machine)> = vec![
        ("kernel", Level::Error, "seccomp", changed(well(), |m| m.pidfd = false)),
        ("kernel", Level::Warning, "5.10", changed(well(), |m| m.release = "5.4.0".to_owned())),
        ("processes", Level::Error, "mount /proc", changed(well(), |m| m.release.clear())),
        ("processes", Level::Warning, "hidepid=2", changed(user(), |m| m.hidepid = Some("2".to_owned()))),
        ("place", Level::Warning, "unit", changed(well(), |m| m.cgroup = "/user.slice/session-3.scope".to_owned())),
        (
            "place",
            Level::Warning,
            "enable-linger",
            changed(user(), |m| m.cgroup = "/user.slice/user@7.service/x".to_owned()),
        ),
        (
            "cgroups",
            Level::Warning,
            "Delegate=yes",
            changed(well(), |m| {
                let note = Some("systemd keeps the cgroups".to_owned());
                m.cgroups = Cgroups { note, ..Cgroups::default() };
            }),
        ),
        ("cgroups", Level::Warning, "memory_max", changed(well(), |m| m.cgroups.v2.clear())),
        (
            "rights",
            Level::Warning,
            "SETUID",
            changed(well(), |m| m.ceilings.as_mut().expect("set").rights.effective ^= 1 << 7),
        ),
        ("open files", Level::Error, "LimitNOFILE", changed(user(), number(LimitKind::OpenFiles, 150))),
        ("open files", Level::Warning, "enough for 960", changed(user(), number(LimitKind::OpenFiles, 1024))),
        ("open files", Level::Warning, "enough for", changed(user(), |m| m.instances = 18_000)),
        ("user processes", Level::Warning, "LimitNPROC", changed(user(), number(LimitKind::Processes, 200))),
        ("pipes", Level::Warning, "pipe-user-pages-soft", changed(user(), |m| m.instances = 1200)),
        ("inotify", Level::Error, "max_user_instances", changed(well(), |m| m.inotify.instances = 128)),
        ("inotify", Level::Warning, "max_user_instances=512", changed(well(), |m| m.inotify.instances = 125)),
        ("inotify", Level::Warning, "max_user_watches", changed(well(), |m| m.inotify.watches = 60_000)),
        ("inotify", Level::Warning, "max_queued_events", changed(well(), |m| m.inotify.queued = 100)),
        ("suid_dumpable", Level::Warning, "=2", changed(well(), |m| m.suid_dumpable = 1)),
        ("clock", Level::Error, "set the clock", changed(well(), |m| m.now = Wall(1_000_000))),
    ];
    for (what, level, words, machine) in cases {
        let amiss: Vec<_> = all(&machine).into_iter().filter(|finding| finding.level != Level::Ok).collect();
        // More open files or processes than there are instances for is one matter, and pipes another.
        let found = amiss.iter().find(|finding| finding.what == what && finding.level == level);
        let text =
            found.map_or_else(String::new, |it| format!("{}; {}", it.says, it.remedy.clone().unwrap_or_default()));
        assert!(text.contains(words), "{what} {words}: {amiss:#?}");
        assert!(amiss.len() == 1 || machine.instances > 1000, "{what}: {amiss:#?}");
    }
}

#[test]
fn what_is_as_well_as_it_need_be_is_well_and_says_what_cannot_be_had() {
    let says = |machine: &Machine, what: &str| {
        let finding = all(machine).into_iter().find(|finding| finding.what == what).expect("it is looked at");
        assert_eq!(finding.level, Level::Ok, "{finding:?}");
        finding.says
    };
    assert!(says(&changed(well(), |m| m.clone3 = false), "kernel").contains("older clone"));
    assert!(says(&changed(well(), |m| m.cgroup_kill = false), "kernel").contains("several rounds"));
    assert!(says(&changed(well(), |m| m.keeper = Some(1)), "place").contains("first process"));
    assert!(says(&well(), "place").contains("(abide.service)"));
    let hybrid = changed(well(), |m| {
        m.cgroups.v1 = std::mem::take(&mut m.cgroups.v2);
    });
    assert!(says(&hybrid, "cgroups").contains("memory_high"), "v1 has no such value");
    assert!(says(&user(), "rights").contains("below 1024"));
    assert!(!all(&changed(well(), |m| m.keeper = None)).iter().any(|finding| finding.what == "place"));
}

#[test]
fn a_watched_directory_is_well_late_or_not_there() {
    let source = |state, mechanism| {
        judge::source(&SourceStatus {
            path: "services.d".to_owned(),
            resolved: None,
            state,
            mechanism,
            reason: Some("NFS".to_owned()),
            entries: 1,
            last_event_at: None,
            last_full_scan_at: None,
            scan_ms: 0,
            overflows: 0,
            missed_by_watch: 0,
            hold: None,
            run_as: None,
        })
    };
    assert_eq!(source(SourceState::Ok, Mechanism::Inotify).level, Level::Ok);
    let late = source(SourceState::Degraded, Mechanism::Poll);
    assert!(late.level == Level::Warning && late.says.contains("NFS"), "{late:?}");
    assert_eq!(source(SourceState::Absent, Mechanism::Poll).level, Level::Error);
}
