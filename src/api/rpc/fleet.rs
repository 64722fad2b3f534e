//! abide's services as clients of supervisord see them: processes in groups.
//!
//! A service of a file of supervisord's is the process of its section. Any other is a group with the name of the service, and
//! in it a process of that name too, or, where there are several, `NAME_0`, `NAME_1` and so on.

use super::census::Seen;
use crate::api::call::{Ending, Facts, InstanceFacts};
use crate::api::doors::Doors;
use crate::api::rights::Visitor;
use crate::host::clock;
use crate::log::said::Way;
use crate::model::access::Right;
use crate::model::logging::{LogFormat, StderrTo};
use crate::model::selector::Target;
use crate::model::service::{Run, Service};
use crate::model::status::{AbideState, AbideStatus, InstanceStatus, LastExit, ServiceStatus, State};
use crate::model::time::Wall;
use crate::supervisord::rpc::{
    Channel, Config, ConfigStream, DaemonState, Group, LogFile, Name, Process, ProcessState, Stamp, View,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The interface is that of this version; which abide it is stands behind it.
const VERSION: &str = "4.3.0";
/// What supervisord calls itself where its file says nothing else.
const IDENTIFIER: &str = "supervisor";
/// What a priority is where nothing is said.
const PRIORITY: i64 = 999;
/// Of a start that failed without a reason.
const TOO_QUICKLY: &str = "Exited too quickly (process log may have details)";

/// All that one visitor may see.
pub(super) struct Fleet {
    pub(super) view: View,
    members: BTreeMap<Name, Member>,
    /// Those of the view, while it is made.
    groups: BTreeMap<String, Group>,
}

/// A process, as abide knows it.
pub(super) struct Member {
    pub(super) target: Target,
    /// `None`: its file was never good.
    facts: Option<Arc<Facts>>,
    /// Whether something says when it is ready.
    pub(super) has_ready: bool,
    /// With whose rights its log is read.
    pub(super) owner: Option<u32>,
}

impl Fleet {
    /// As it stands now.
    pub(super) async fn of(doors: &Doors, who: &Visitor) -> Result<Self, Ending> {
        let everybody = doors.census.now(doors).await?;
        let main_log = who.has_of_all(Right::Read).then(|| everybody.log.display().to_string());
        let view = empty(everybody.abide.as_ref(), main_log);
        let mut fleet = Self { view, members: BTreeMap::new(), groups: BTreeMap::new() };
        for Seen { status, facts } in &everybody.services {
            match facts {
                _ if !who.has(Right::Read, status.name.as_str()) => {}
                Some(facts) => fleet.add(facts, status),
                None => fleet.add_never_good(status),
            }
        }
        fleet.view.parsed = fleet.groups.keys().cloned().collect();
        fleet.view.groups = std::mem::take(&mut fleet.groups).into_values().collect();
        Ok(fleet)
    }

    /// The process of that name.
    pub(super) fn member(&self, name: &Name) -> Option<&Member> {
        self.members.get(name)
    }

    fn add(&mut self, facts: &Arc<Facts>, status: &ServiceStatus) {
        let service = &facts.definition.service;
        for instance in &facts.instances {
            let Some(stands) = status.instances.iter().find(|it| it.id == instance.index) else { continue };
            let name = name_of(service, instance);
            let member = Member {
                target: Target {
                    service: service.name.clone(),
                    index: Some(instance.index).filter(|_| instance.numbered),
                },
                facts: Some(Arc::clone(facts)),
                has_ready: service.ready.is_some(),
                owner: stands.log.as_ref().and_then(|log| log.owner),
            };
            self.view.configs.push(config(service, instance, &name));
            let priority = service.program.as_ref().map_or(PRIORITY, |program| program.group_priority);
            self.put(process(service, instance, stands, name), priority, member);
        }
    }

    /// One whose file was never good: it cannot run, and says why.
    fn add_never_good(&mut self, status: &ServiceStatus) {
        let Some(error) = status.errors.first().filter(|_| status.accepted_hash.is_none()) else { return };
        let name = name_in(status.name.as_str());
        let process = Process {
            name,
            priority: PRIORITY,
            state: ProcessState::Fatal,
            pid: 0,
            start: 0,
            stop: None,
            exit_status: 0,
            spawn_error: error.message.clone(),
            stdout_log: None,
            stderr_log: None,
        };
        let target = Target { service: status.name.clone(), index: None };
        self.put(process, PRIORITY, Member { target, facts: None, has_ready: false, owner: None });
    }

    fn put(&mut self, process: Process, group_priority: i64, member: Member) {
        let name = process.name.clone();
        let new = || Group { name: name.group.clone(), priority: group_priority, processes: Vec::new() };
        self.groups.entry(name.group.clone()).or_insert_with(new).processes.push(process);
        self.members.insert(name, member);
    }
}

impl Member {
    /// What its file says.
    pub(super) fn service(&self) -> Option<&Service> {
        self.facts.as_ref().map(|facts| &facts.definition.service)
    }

    /// The file that takes that output, and what of its lines is to be read; `None`: the file as it is.
    pub(super) fn log(&self, channel: Channel) -> Option<(&Path, Option<Way>)> {
        let index = self.target.index.unwrap_or(0);
        let facts = self.facts.as_ref()?;
        let instance = facts.instances.iter().find(|it| it.index == index)?;
        let path = instance.streams[usize::from(channel == Channel::Stderr)].as_deref()?;
        let policy = &facts.definition.service.log;
        let is_plain = policy.files().is_some() || policy.format == LogFormat::Plain;
        let way = match channel {
            _ if policy.stderr != StderrTo::Separate => Way::Any,
            Channel::Stdout => Way::Out,
            Channel::Stderr => Way::Err,
        };
        Some((Path::new(path), (!is_plain).then_some(way)))
    }
}

/// Nothing but what is said of abide itself.
fn empty(abide: Option<&AbideStatus>, main_log: Option<String>) -> View {
    let is_running = abide.is_none_or(|abide| abide.state == AbideState::Running);
    View {
        identifier: IDENTIFIER.to_owned(),
        version: format!("{VERSION}+abide.{}", env!("CARGO_PKG_VERSION")),
        pid: abide.map_or(0, |abide| abide.pid),
        state: if is_running { DaemonState::Running } else { DaemonState::Shutdown },
        now: seconds(clock::now().wall),
        main_log,
        groups: Vec::new(),
        parsed: Vec::new(),
        configs: Vec::new(),
    }
}

/// What the name of a service alone says.
fn name_in(service: &str) -> Name {
    let (group, process) = service.split_once(':').unwrap_or((service, service));
    Name::new(group, process)
}

fn name_of(service: &Service, instance: &InstanceFacts) -> Name {
    let name = match &service.program {
        Some(program) => Name::new(&program.group, &program.process),
        None => name_in(service.name.as_str()),
    };
    if !instance.numbered {
        return name;
    }
    Name { process: format!("{}_{}", name.process, instance.index), ..name }
}

fn process(service: &Service, instance: &InstanceFacts, stands: &InstanceStatus, name: Name) -> Process {
    let last = stands.last_exit.as_ref();
    let state = state_of(stands, service.ready.is_some());
    let lives = stands.pid.is_some();
    Process {
        name,
        priority: service.program.as_ref().map_or(PRIORITY, |program| program.priority),
        state,
        pid: stands.pid.unwrap_or(0),
        start: stands.started_at.or_else(|| last.map(start_of)).map_or(0, seconds),
        // All times of abide's are UTC.
        stop: last.map(|last| Stamp { seconds: seconds(last.at), offset: 0 }),
        exit_status: last.filter(|_| !lives).map_or(0, |last| last.code.unwrap_or(-1)),
        spawn_error: spawn_error(state, stands),
        stdout_log: instance.streams[0].clone(),
        stderr_log: instance.streams[1].clone(),
    }
}

/// When the run that ended so had begun.
fn start_of(last: &LastExit) -> Wall {
    let ran = i64::try_from(last.ran_ms).unwrap_or(i64::MAX).saturating_mul(1000);
    Wall(last.at.0.saturating_sub(ran))
}

fn seconds(at: Wall) -> i64 {
    at.0.div_euclid(1_000_000)
}

/// Why it is not up, where it should be.
pub(super) fn spawn_error(state: ProcessState, stands: &InstanceStatus) -> String {
    match state {
        ProcessState::Backoff | ProcessState::Fatal => stands.reason.clone().unwrap_or_else(|| TOO_QUICKLY.to_owned()),
        _ => String::new(),
    }
}

/// Where supervisord would say that it is. What waits for another is in BACKOFF: it will start by itself, and it can be
/// stopped.
pub(super) fn state_of(stands: &InstanceStatus, has_ready: bool) -> ProcessState {
    match stands.state {
        State::Starting => ProcessState::Starting,
        State::Running if has_ready && stands.ready_at.is_none() => ProcessState::Starting,
        State::Ready if stands.pid.is_none() => ProcessState::Exited,
        State::Running | State::Ready | State::Reloading => ProcessState::Running,
        State::Stopping => ProcessState::Stopping,
        State::Waiting | State::Backoff => ProcessState::Backoff,
        State::Failed => ProcessState::Fatal,
        State::Stopped if stands.last_exit.as_ref().is_some_and(|last| !last.asked) => ProcessState::Exited,
        State::Stopped | State::Held => ProcessState::Stopped,
    }
}

fn config(service: &Service, instance: &InstanceFacts, name: &Name) -> Config {
    let program = service.program.as_deref();
    let log = &service.log;
    let stream = |at: usize| {
        let file = log.files().and_then(|files| files.each()[at]);
        let (size, backups) = file.map_or((log.max_size, log.max_files), |file| (file.max_size, file.backups));
        ConfigStream {
            logfile: instance.streams[at].clone().map_or(LogFile::None, LogFile::Path),
            maxbytes: i64::try_from(size).unwrap_or(i64::MAX),
            backups: i64::from(backups),
            capture: 0,
            events: false,
            syslog: false,
        }
    };
    let said = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let ready = service.ready.as_ref().is_some();
    let url = service.environment.get("SUPERVISOR_SERVER_URL").map(|url| url.replace("$$", "$"));
    Config {
        name: name.clone(),
        command: program.map_or_else(|| command(&service.run), |program| program.command.clone()),
        group_priority: program.map_or(PRIORITY, |program| program.group_priority),
        priority: program.map_or(PRIORITY, |program| program.priority),
        autostart: program.map_or(service.enabled, |program| program.autostart),
        killasgroup: service.stop.kill_scope.is_some() || program.is_none(),
        redirect_stderr: log.stderr == StderrTo::Merge,
        exitcodes: program.map_or_else(|| vec![0], |program| program.exit_codes.clone()),
        startretries: service.restart.retries.map_or(i64::from(i32::MAX), i64::from),
        startsecs: program.map_or(i64::from(ready), |program| i64::from(program.start_seconds)),
        stopwaitsecs: said(service.stop.timeout),
        stopsignal: service.stop.signal.number(),
        directory: program.map_or_else(|| Some(service.directory.clone()), |program| program.directory.clone()),
        uid: program.map_or(Some(service.identity.uid), |program| program.uid),
        serverurl: url,
        stdout: stream(0),
        stderr: stream(1),
    }
}

fn command(run: &Run) -> String {
    match run {
        Run::Command(words) => words.join(" "),
        Run::Script(text) => text.clone(),
    }
}
