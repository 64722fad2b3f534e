//! Snapshots to test with: one service a situation.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::wildcard_imports, reason = "each test uses what it needs")]

use abide::model::name::ServiceName;
use abide::model::service::Kind;
use abide::model::status::*;
use abide::model::time::Wall;
use abide::render::snapshot::Envelope;
use std::collections::BTreeMap;

/// 2026-11-22T15:09:36.123Z.
pub const NOW: Wall = Wall(1_795_360_176_123_000);

pub fn ago(seconds: i64) -> Wall {
    Wall(NOW.0 - seconds * 1_000_000)
}

pub fn abide() -> AbideStatus {
    AbideStatus {
        version: "0.1.0".into(),
        pid: 812,
        supervisor_pid: 815,
        state: AbideState::Running,
        boot_id: String::new(),
        instance_id: "5f0c".into(),
        started_at: ago(11_520),
        adopted: 0,
        snapshot_seq: 0,
        written_at: ago(2),
        monotonic_ns: 0,
        heartbeat_interval_ms: 15_000,
        truncated: false,
        notes: Vec::new(),
        cgroups: abide::model::resources::Cgroups::default(),
        config: "/etc/abide/abide.toml".into(),
    }
}

pub fn source(path: &str) -> SourceStatus {
    SourceStatus {
        path: path.into(),
        resolved: None,
        state: SourceState::Ok,
        mechanism: Mechanism::Inotify,
        reason: None,
        entries: 6,
        last_event_at: Some(ago(30)),
        last_full_scan_at: Some(ago(40)),
        scan_ms: 1,
        overflows: 0,
        missed_by_watch: 0,
        hold: None,
        run_as: None,
    }
}

pub fn envelope() -> Envelope {
    Envelope {
        abide: abide(),
        summary: Summary::default(),
        generation: 7,
        observed_generation: 7,
        sources: vec![source("services.d")],
        problems: Vec::new(),
        withheld: Withheld::default(),
        ignored: Vec::new(),
        last_apply_success: Some(ago(30)),
    }
}

pub fn status(services: Vec<ServiceStatus>) -> Status {
    let envelope = envelope();
    Status {
        schema: SCHEMA,
        abide: envelope.abide,
        summary: envelope.summary,
        generation: 7,
        observed_generation: 7,
        sources: envelope.sources,
        problems: Vec::new(),
        withheld: Withheld::default(),
        services,
        services_index: None,
        ignored: Vec::new(),
    }
}

pub fn instance(id: u32, state: State) -> InstanceStatus {
    let alive = state == State::Running;
    InstanceStatus {
        hold: None,
        id,
        state,
        reason: None,
        pid: alive.then_some(4711 + id as i32),
        start_ticks: alive.then_some(99_182),
        started_at: alive.then(|| ago(192)),
        since: None,
        ready_at: None,
        ready_ms: None,
        health: None,
        status_text: None,
        running_hash: alive.then(|| hash('a')),
        in_sync: true,
        adopted: false,
        restarts: 0,
        restarts_1h: 0,
        restarts_by: BTreeMap::new(),
        last_restart: None,
        next_attempt_at: None,
        attempt: 0,
        last_exit: None,
        limits: BTreeMap::new(),
        log: Some(LogStatus {
            path: "/var/log/abide/x/current".into(),
            dropped_bytes: 0,
            dropped_lines: 0,
            owner: None,
        }),
    }
}

pub fn hash(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

pub fn service(name: &str, state: State) -> ServiceStatus {
    ServiceStatus {
        rollback: None,
        hold: None,
        name: ServiceName::new(name).expect("a legal name"),
        description: None,
        source: ServiceSource { file: format!("services.d/{name}.toml"), drop_ins: Vec::new(), kind: Kind::Toml },
        unnamed_root: false,
        generation: 3,
        observed_generation: 3,
        file_hash: Some(hash('f')),
        desired_hash: Some(hash('a')),
        accepted_hash: Some(hash('a')),
        desired: if state == State::Stopped { Desired::Stopped } else { Desired::Running },
        state,
        as_desired: matches!(state, State::Running | State::Stopped),
        conditions: Vec::new(),
        errors: Vec::new(),
        instances: vec![instance(0, state)],
    }
}

pub fn exit(code: i32, seconds: i64, ran_ms: u64) -> LastExit {
    LastExit {
        at: ago(seconds),
        kind: ExitKind::Code,
        code: Some(code),
        signal: None,
        core: false,
        oom: false,
        asked: false,
        ran_ms,
        cpu_ms: 0,
        max_rss_bytes: 0,
    }
}

/// It ends and ends; the next attempt has a time.
pub fn flaky() -> ServiceStatus {
    let mut flaky = service("flaky", State::Backoff);
    let slot = &mut flaky.instances[0];
    slot.last_exit = Some(exit(1, 4, 210));
    slot.restarts = 1_017;
    slot.restarts_1h = 60;
    slot.restarts_by = BTreeMap::from([("exit".to_owned(), 1_016), ("signal".to_owned(), 1)]);
    slot.attempt = 6;
    slot.next_attempt_at = Some(Wall(NOW.0 + 11_300_000));
    flaky
}

/// A limit that cannot be had.
pub fn greedy() -> ServiceStatus {
    let mut greedy = service("greedy", State::Failed);
    greedy.instances[0].reason = Some("limit open_files = 20000 cannot be had, the highest here is 16384".into());
    greedy.conditions.push(Condition {
        kind: ConditionKind::LimitsMet,
        status: Truth::False,
        reason: "AboveHard".into(),
        since: ago(60),
        observed_generation: 3,
        message: "raise the hard limit of the shell or unit that starts abide to 20000, or ask for less".into(),
    });
    greedy
}

/// Its file has an error, the last good version runs on.
pub fn misspelt() -> ServiceStatus {
    let mut web = service("web", State::Running);
    web.description = Some("the shop's front".into());
    web.as_desired = false;
    web.desired_hash = None;
    web.instances[0].restarts = 3;
    web.instances[0].restarts_by = BTreeMap::from([("signal".to_owned(), 3)]);
    web.instances[0].last_exit = Some(LastExit {
        kind: ExitKind::Signal,
        code: None,
        signal: Some("SIGSEGV".into()),
        core: true,
        ..exit(0, 193, 51_234)
    });
    web.instances[0].limits.insert("open_files".into(), LimitStatus { soft: Some(65_536), hard: Some(65_536) });
    web.instances[0].limits.insert("core".into(), LimitStatus { soft: Some(0), hard: None });
    web.conditions.push(Condition {
        kind: ConditionKind::ConfigValid,
        status: Truth::False,
        reason: "UnknownKey".into(),
        since: ago(50),
        observed_generation: 4,
        message: "unknown key `restrat`".into(),
    });
    web.errors.push(error(
        "services.d/web.toml",
        12,
        "unknown key `restrat`",
        Some("write `restart`, the nearest key"),
    ));
    web
}

pub fn error(file: &str, line: u32, message: &str, hint: Option<&str>) -> FileError {
    FileError {
        file: file.into(),
        line: Some(line),
        column: Some(1),
        end_column: Some(8),
        code: "unknown-key".into(),
        message: message.into(),
        hint: hint.map(str::to_owned),
        first_seen: ago(50),
    }
}

/// Several instances, alike or not.
pub fn workers(name: &str, count: u32) -> ServiceStatus {
    let mut workers = service(name, State::Running);
    workers.instances = (0..count).map(|id| instance(id, State::Running)).collect();
    workers
}

/// A bit of everything.
pub fn mixed() -> Status {
    let mut cron = service("cron", State::Stopped);
    cron.instances[0].reason = Some("disabled in its file".into());
    let mut status = status(vec![
        service("clock", State::Running),
        cron,
        flaky(),
        greedy(),
        misspelt(),
        workers("worker", 4),
        workers("workers-many", 64),
    ]);
    status.problems.push(FileError {
        line: None,
        column: None,
        end_column: None,
        ..error("services.d/a b.toml", 1, "a service name begins with a letter or digit", Some("rename the file"))
    });
    status.ignored.push(IgnoredEntry { path: "services.d/README".into(), reason: "unknown suffix".into() });
    status.abide.notes.push("3 services wait for a free descriptor; raise the open files limit of abide".into());
    let mut gone = source("team.d");
    gone.state = SourceState::Absent;
    gone.reason = Some("No such file or directory".into());
    status.sources.push(gone);
    status
}
