//! Fleet → status of one service. Renders what it is asked for and nothing else; the same question
//! twice has the same answer.

use super::care::{Care, Stage};
use super::fleet::Fleet;
use super::holds::in_words;
use super::instance::Instance;
use super::member::{CONDITIONS, Member};
use super::phase::{Ended, Fit, Phase, Rest};
use crate::model::desired::Definition;
use crate::model::diagnostic::Code;
use crate::model::history::Rollback;
use crate::model::limits::{Bound, Limit, Limits};
use crate::model::name::{InstanceId, ServiceName};
use crate::model::order::Hold;
use crate::model::outcome::{Exit, Used};
use crate::model::selector::Target;
use crate::model::service::Service;
use crate::model::status::{
    Condition, ConditionKind, Desired, ExitKind, HealthState, HealthStatus, InstanceStatus, LastExit, LimitStatus,
    LogStatus, RollbackStatus, RolloutState, ServiceSource, ServiceStatus, State, Truth,
};
use crate::model::time::{Now, Wall};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the status needs and only the shell knows.
pub struct Facts<'a> {
    /// The moment of the question.
    pub now: Now,
    /// Where an instance's output goes; the flag says whether its service has more than one.
    pub log_path: &'a dyn Fn(&InstanceId, &Definition, bool) -> Option<String>,
}

/// One instance, as one must know it to look closer.
#[derive(Debug)]
pub struct Slot<'a> {
    /// Which.
    pub id: &'a InstanceId,
    /// Whether it is not the only one.
    pub numbered: bool,
    /// Its process and the start of that in clock ticks since boot, while it has one.
    pub process: Option<(i32, u64)>,
    /// What the files last said of it.
    pub definition: &'a Arc<Definition>,
}

impl Fleet {
    /// The status of one service; `None` if there is none of that name (any more).
    pub fn service_status(&self, name: &ServiceName, facts: &Facts) -> Option<ServiceStatus> {
        let member = self.members.get(name)?;
        let accepted = member.accepted.as_deref();
        let hash = accepted.map(|definition| definition.version.short());
        Some(ServiceStatus {
            name: name.clone(),
            description: accepted.and_then(|definition| definition.service.description.clone()),
            source: ServiceSource {
                file: member.file.display().to_string(),
                drop_ins: member.drop_ins.iter().map(|path| path.display().to_string()).collect(),
                kind: member.kind,
            },
            unnamed_root: member.unnamed_root,
            generation: member.generation,
            observed_generation: member.generation,
            file_hash: member.file_hash.filter(|_| !member.removed).map(|hash| hash.to_string()),
            desired_hash: match &member.rollback {
                Some(rollback) => Some(rollback.rejected.version().short()),
                None => hash.clone().filter(|_| member.valid),
            },
            accepted_hash: hash,
            desired: if member.tally.desired { Desired::Running } else { Desired::Stopped },
            state: member.totals.worst_state(),
            as_desired: member.tally.as_desired,
            hold: self.holds.whole(name).cloned(),
            rollback: member.rollback.as_deref().map(|rollback| RollbackStatus {
                from_hash: rollback.rejected.version().short(),
                to_hash: rollback.to.short(),
                cause: rollback.cause.clone(),
                at: rollback.at,
            }),
            conditions: self.conditions(name, member),
            errors: member.errors.clone(),
            instances: member.counted().map(|instance| self.instance_status(instance, member, facts)).collect(),
        })
    }

    /// The slots of one service; `None` if there is none of that name (any more).
    pub fn slots(&self, name: &ServiceName) -> Option<impl Iterator<Item = Slot<'_>>> {
        Some(self.members.get(name)?.counted().map(|instance| Slot {
            id: &instance.id,
            numbered: instance.numbered,
            process: instance.process.as_ref().map(|process| (process.pid, process.start_ticks)),
            definition: &instance.wanted,
        }))
    }

    /// The services that run as the user `uid`.
    pub fn owned_by(&self, uid: u32) -> Vec<ServiceName> {
        let owned = |member: &Member| member.accepted.as_ref().is_some_and(|it| it.service.identity.uid == uid);
        self.members.iter().filter(|(_, member)| owned(member)).map(|(name, _)| name.clone()).collect()
    }

    fn instance_status(&self, instance: &Instance, member: &Member, facts: &Facts) -> InstanceStatus {
        let process = instance.process.as_ref();
        let lives = matches!(instance.phase, Phase::Running { .. } | Phase::Stopping { .. });
        let care = instance.care.as_deref();
        let ready = care.and_then(|care| care.ready).filter(|_| lives);
        InstanceStatus {
            id: instance.id.index,
            state: instance.state(),
            hold: self.holds.own(&instance.id.service, instance.id.index).filter(|_| instance.on_hold).cloned(),
            reason: self
                .held(instance)
                .or_else(|| reason(instance))
                .or_else(|| self.stands_in(instance))
                .map(|why| why + &stand_in(instance)),
            pid: process.map(|process| process.pid),
            start_ticks: process.map(|process| process.start_ticks),
            started_at: process.map(|process| process.started),
            since: under_way(instance, facts.now),
            ready_at: ready.map(|(at, _)| at),
            ready_ms: ready.map(|(_, took)| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            health: care.and_then(health).filter(|_| lives),
            status_text: care.and_then(|care| care.text.clone()).filter(|_| lives),
            running_hash: lives.then(|| instance.current.version.short()),
            in_sync: member.valid && !member.is_behind() && is_in_sync(instance),
            adopted: instance.adopted,
            restarts: instance.restarts.by_cause().map(|(_, count)| count).sum(),
            restarts_1h: instance.restarts.within_hour(facts.now.mono),
            restarts_by: instance.restarts.by_cause().map(|(cause, n)| (cause.as_str().to_owned(), n)).collect(),
            last_restart: instance.restarts.last().map(|cause| cause.as_str().to_owned()),
            next_attempt_at: next_attempt(instance, facts.now),
            attempt: u64::from(instance.backoff.attempt),
            last_exit: instance.last.map(|last| last_exit(&last)),
            limits: process.map(|process| limits(&process.limits)).unwrap_or_default(),
            log: (facts.log_path)(&instance.id, &instance.wanted, instance.numbered).map(|path| LogStatus {
                path,
                dropped_bytes: instance.dropped.0,
                dropped_lines: instance.dropped.1,
                owner: log_owner(&instance.wanted.service),
            }),
        }
    }

    fn conditions(&self, name: &ServiceName, member: &Member) -> Vec<Condition> {
        let render = |kind: ConditionKind| {
            let since = member.amiss_since(kind)?;
            let (since, (reason, message)) = match self.holds.within(name).next() {
                Some((target, hold)) if kind == ConditionKind::NotHeld => (hold.since, held_in_words(target, hold)),
                _ if kind == ConditionKind::InSync => (since, self.why_out_of_sync(name, member)),
                _ => (since, reason_and_message(kind, member)),
            };
            let observed_generation = member.generation;
            Some(Condition { kind, status: Truth::False, reason, since, observed_generation, message })
        };
        CONDITIONS.into_iter().filter_map(render).collect()
    }

    fn why_out_of_sync(&self, name: &ServiceName, member: &Member) -> (String, String) {
        match (member.kept, &member.rollback) {
            (Some(kept), _) => self.why_kept(name, kept),
            (None, Some(rollback)) => {
                let Rollback { cause, to, .. } = &**rollback;
                let message = format!(
                    "went back to version {} ({cause}); what its file says is tried again when a key changes that \
                     matters, or by `abide retry {name}`",
                    to.short()
                );
                ("RolledBack".to_owned(), message)
            }
            (None, None) if member.queued => {
                let paused = self.rollout.status(&self.backlog.rules.rollout).state == RolloutState::Paused;
                let message = if paused {
                    "its edit waits, since too many that were edited with it have failed; mend those, or `abide resume`"
                } else {
                    "its edit waits for its turn: only so many services are restarted at a time"
                };
                ("Queued".to_owned(), message.to_owned())
            }
            (None, None) if member.rolling.is_some() => rolling(name, member),
            (None, None) => reason_and_message(ConditionKind::InSync, member),
        }
    }

    /// By whom it is held, once it has stopped.
    fn held(&self, instance: &Instance) -> Option<String> {
        let hold = self.holds.covering(&instance.id.service, instance.id.index)?;
        (instance.state() == State::Held).then(|| in_words(hold))
    }

    /// One that its own file keeps from running says why it runs.
    fn stands_in(&self, instance: &Instance) -> Option<String> {
        let is_off = |member: &Member| !member.is_enabled(&instance.wanted);
        let runs = instance.running().is_some() && self.members.get(&instance.id.service).is_some_and(|it| is_off(it));
        let caller = self.ties.caller(&instance.id.service).filter(|_| runs)?;
        Some(format!("runs in the place of {caller}, which has failed"))
    }
}

fn held_in_words(target: &Target, hold: &Hold) -> (String, String) {
    let whose = target.index.map_or_else(String::new, |_| format!("{target} is "));
    let (by, since) = (&hold.by.name, hold.since.rfc3339());
    let until = hold.until.map_or_else(|| format!("`abide start {target}`"), Wall::rfc3339);
    let reason = hold.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    ("Held".to_owned(), format!("{whose}held by {by} since {since} until {until}{reason}"))
}

fn reason_and_message(kind: ConditionKind, member: &Member) -> (String, String) {
    let error = |wanted: Option<Code>| {
        let found = member.errors.iter().find(|error| wanted.is_none_or(|code| code.as_str() == error.code));
        found.map_or_else(
            || ("Invalid".to_owned(), "the file cannot be taken as it stands".to_owned()),
            |error| (camel(&error.code), error.message.clone()),
        )
    };
    match kind {
        ConditionKind::ConfigValid => error(None),
        ConditionKind::SourceTrusted => match member.writable() {
            Some(finding) if member.errors.iter().all(|error| error.code != Code::Untrusted.as_str()) => {
                (camel(finding.code.as_str()), finding.message.clone())
            }
            _ => error(Some(Code::Untrusted)),
        },
        ConditionKind::InSync => ("VersionDiffers".to_owned(), "a process does not run what the file says".to_owned()),
        ConditionKind::DependenciesMet => {
            let blocked = member.instances.iter().find_map(|instance| match instance.phase {
                Phase::Resting(Rest::Blocked { lost }) | Phase::Stopping { then: Rest::Blocked { lost }, .. } => {
                    Some((lost, instance.why.to_string()))
                }
                _ => None,
            });
            let (lost, why) = blocked.unwrap_or_default();
            (if lost { "NotUp" } else { "NotYetUp" }.to_owned(), why)
        }
        ConditionKind::LimitsMet => {
            let unmet = member.instances.iter().find_map(|instance| match &instance.fit {
                Fit::Unmet(why) => Some(why.clone()),
                Fit::Met | Fit::Asked => None,
            });
            ("CannotBeHad".to_owned(), unmet.unwrap_or_default())
        }
        ConditionKind::Healthy => {
            let of = |care: &Care| care.health.as_ref().filter(|h| h.well == Some(false)).map(|h| h.message.clone());
            ("Unhealthy".to_owned(), format!("is not well: {}", first_of(member, of)))
        }
        ConditionKind::Reloaded => {
            let why = first_of(member, |care| care.reload.failed.clone());
            ("ReloadFailed".to_owned(), format!("its changed configuration was not taken up: {why}"))
        }
        ConditionKind::NotHeld => ("Held".to_owned(), "held".to_owned()),
        ConditionKind::LogsFlowing => {
            let bytes: u64 = member.instances.iter().map(|instance| instance.dropped.0).sum();
            ("Dropped".to_owned(), format!("{bytes} bytes of output were dropped because they could not be written"))
        }
    }
}

/// How far one is whose processes take turns.
fn rolling(name: &ServiceName, member: &Member) -> (String, String) {
    let accepted = member.accepted.as_ref().map(|accepted| accepted.version);
    let has_new = |it: &&Instance| Some(it.current.version) == accepted;
    let (done, size) = (member.instances.iter().filter(has_new).count(), member.size());
    if member.instances.iter().any(|it| it.faltered && Some(it.wanted.version) == accepted) {
        let message = format!(
            "{done} of {size} processes have the new version; it stopped at one that does not come up: mend the file, or \
             `abide retry {name}` to go on"
        );
        return ("RollingStopped".to_owned(), message);
    }
    (
        "Rolling".to_owned(),
        format!("its processes are restarted one after the other: {done} of {size} have the new version"),
    )
}

/// What the first of the instances has to say for which `of` has something.
fn first_of(member: &Member, of: impl Fn(&Care) -> Option<String>) -> String {
    member.instances.iter().find_map(|instance| of(instance.care.as_deref()?)).unwrap_or_default()
}

/// `unknown-key` → `UnknownKey`.
fn camel(code: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
    };
    code.split('-').map(capital).collect()
}

fn health(care: &Care) -> Option<HealthStatus> {
    let health = care.health.as_ref()?;
    let status = match health.well {
        None => HealthState::Unknown,
        Some(true) => HealthState::Healthy,
        Some(false) => HealthState::Unhealthy,
    };
    let message = Some(health.message.clone()).filter(|message| !message.is_empty());
    Some(HealthStatus { status, at: health.since, failures: u64::from(health.failures), message })
}

/// What runs, or ran to its end, is what the file says; or nothing is wanted and nothing runs.
fn is_in_sync(instance: &Instance) -> bool {
    match (instance.want, instance.phase) {
        (true, Phase::Running { .. }) => instance.is_current() && instance.fit == Fit::Met,
        (true, Phase::Resting(Rest::Done)) => instance.is_current(),
        (want, Phase::Resting(_)) => !want,
        _ => false,
    }
}

/// Running and being started explain themselves, unless they take their time.
fn reason(instance: &Instance) -> Option<String> {
    if let Some(awaited) = awaited(instance) {
        return Some(awaited);
    }
    let explains_itself = match instance.phase {
        Phase::Running { .. } => instance.want && instance.state() != State::Reloading,
        Phase::Preparing { .. } => instance.state() == State::Starting,
        Phase::Starting { until, .. } => until.is_some() && instance.state() == State::Starting,
        Phase::Resting(Rest::Down) => instance.last.is_none(),
        _ => false,
    };
    let why = match instance.phase {
        // `next_attempt_at` has the time, and as it stands now.
        Phase::Resting(Rest::Backoff(_)) => instance.why.split(", next attempt in ").next().unwrap_or_default(),
        _ => &instance.why,
    };
    (!explains_itself && !why.is_empty()).then(|| why.to_owned())
}

/// What its start waits for, where that takes its time.
fn awaited(instance: &Instance) -> Option<String> {
    let hook = || instance.care.as_ref()?.pending.iter().find_map(|pending| instance.hook_in_words(pending));
    let preparing = matches!(instance.phase, Phase::Preparing { .. }) && instance.state() == State::Starting;
    if preparing || (instance.running().is_some() && instance.stage() == Stage::Settling) {
        return hook().map(|hook| format!("{hook} is under way"));
    }
    let hitch = instance.hitch();
    match instance.stage() {
        _ if instance.running().is_none() => None,
        Stage::Checking { .. } => {
            Some(hitch.map_or_else(|| "not ready yet".to_owned(), |hitch| format!("not ready yet: {hitch}")))
        }
        Stage::Seeking { .. } => hitch.map(|hitch| format!("its process is not found yet: {hitch}")),
        Stage::Launching { .. } if !instance.is_oneshot() => Some("its command has not ended yet".to_owned()),
        _ => None,
    }
}

/// What one that is given up leads to.
fn stand_in(instance: &Instance) -> String {
    let named = instance.wanted.service.restart.on_give_up.as_ref();
    let named = named.filter(|_| instance.phase == Phase::Resting(Rest::Failed));
    named.map_or_else(String::new, |name| format!("; {name} is started in its place"))
}

/// Since when a process is being made.
fn under_way(instance: &Instance, now: Now) -> Option<Wall> {
    let (Phase::Preparing { ordered } | Phase::Starting { ordered, .. }) = instance.phase else { return None };
    let ago = now.mono.since(ordered).as_micros();
    Some(Wall(now.wall.0.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX))))
}

fn next_attempt(instance: &Instance, now: Now) -> Option<Wall> {
    let Phase::Resting(Rest::Backoff(until)) = instance.phase else { return None };
    // Relative to when it was decided it would wander with every step of the wall clock; so it is told anew.
    let ahead = until.since(now.mono).as_micros();
    Some(Wall(now.wall.0.saturating_add(i64::try_from(ahead).unwrap_or(i64::MAX))))
}

fn last_exit(last: &Ended) -> LastExit {
    let (kind, number, by, core) = match last.exit {
        Exit::Code(code) => (ExitKind::Code, Some(code), None, false),
        Exit::Signal { signal, core } => (ExitKind::Signal, None, Some(signal.to_string()), core),
        Exit::Unknown => (ExitKind::Unknown, None, None, false),
    };
    let ran_ms = u64::try_from(last.ran.as_millis()).unwrap_or(u64::MAX);
    let Used { cpu_ms, max_rss_bytes } = last.used;
    let (asked, oom) = (last.asked, last.oom);
    LastExit { at: last.at, kind, code: number, signal: by, core, oom, asked, ran_ms, cpu_ms, max_rss_bytes }
}

fn limits(limits: &Limits) -> BTreeMap<String, LimitStatus> {
    let number = |bound: Bound| (bound != Bound::UNLIMITED).then_some(bound.0);
    let shown = |limit: &Limit| LimitStatus { soft: number(limit.soft), hard: number(limit.hard) };
    limits.iter().map(|(kind, limit)| (kind.key().to_owned(), shown(limit))).collect()
}

/// With whose rights the log of `service` is written: that of a delegated source, where its file says, with its user's.
fn log_owner(service: &Service) -> Option<u32> {
    service.is_logged_as_its_user().then_some(service.identity.uid)
}
