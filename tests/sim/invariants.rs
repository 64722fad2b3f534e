//! What must hold, whatever happens.

use crate::behaviour::Process;
use crate::renames::less_those_that_moved;
use crate::world::{POWERS, World};
use abide::decide::diff::{dearest, diff};
use abide::decide::event::RunId;
use abide::decide::plan::plan;
use abide::decide::view::Facts;
use abide::model::desired::Definition;
use abide::model::name::{InstanceId, ServiceName};
use abide::model::plan::Price;
use abide::model::policy::ServiceType;
use abide::model::service::Service;
use abide::model::status::{ConditionKind, Desired, InstanceStatus, ServiceStatus, State, Summary, Worst};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

type Accepted = BTreeMap<ServiceName, Arc<Definition>>;

/// After every event and every deadline.
pub(crate) fn check(world: &mut World) {
    for name in world.fleet.take_changed() {
        match status(world, &name) {
            Some(fragment) => world.fragments.insert(name, fragment),
            None => world.fragments.remove(&name),
        };
    }
    let settles = |definition: &Arc<Definition>| {
        definition.service.hooks.as_ref().is_some_and(|hooks| !hooks.start_after.is_empty())
    };
    world.hidden |= world.accepted.values().any(settles);
    // One that is held by the order runs on as what it was.
    let differs = |process: &Process| {
        let accepted = world.accepted.get(&process.instance.service);
        process.main
            && accepted.is_some_and(|it| it.service.ready.is_some() != process.definition.service.ready.is_some())
    };
    let held = world.processes.values().any(differs);
    let fresh: BTreeMap<ServiceName, ServiceStatus> =
        world.fleet.names().filter_map(|name| Some((name.clone(), status(world, name)?))).collect();
    crate::order::nobody_runs_on_what_is_lost(world);
    crate::operator::records_are_what_is_shown(world);
    assert_eq!(world.fragments, fresh, "incremental status differs from status from scratch");
    let (summary, mut counted) = (world.fleet.summary(), counted(&fresh, &world.accepted));
    if world.hidden || held {
        counted.ready = summary.ready;
    }
    assert_eq!(summary, counted, "incremental summary differs from counting\n{fresh:#?}");
    for (name, service) in &fresh {
        let Some(definition) = world.accepted.get(name) else { continue };
        let longest = definition.service.restart.max_delay.max(definition.service.restart.spacing);
        for instance in &service.instances {
            let Some(at) = instance.next_attempt_at else { continue };
            let ahead = Duration::from_micros((at.0 - world.now().wall.0).max(0) as u64);
            // A policy edited while it waits retries at once, so this holds for the policy in force.
            assert!(ahead <= longest, "{name} waits {ahead:?}, its policy allows {longest:?}");
        }
    }
}

fn status(world: &World, name: &ServiceName) -> Option<ServiceStatus> {
    let log_path = |id: &InstanceId, _: &Definition, numbered: bool| Some(format!("{id}/{numbered}"));
    let mut status = world.fleet.service_status(name, &Facts { now: world.now(), log_path: &log_path })?;
    for instance in &mut status.instances {
        instance.restarts_1h = 0; // as of its last change, by contract
    }
    Some(status)
}

/// Whether abide looks after it again and again.
fn is_watched(service: &Service) -> bool {
    let again = service.restart.max_age.is_some() || service.restart.max_memory.is_some();
    service.enabled && service.instances > 0 && (service.health.is_some() || again)
}

/// Whether running alone does not make it ready. `[start] after` does not show, and is left out of such counts.
fn waits_for_readiness(service: &Service) -> bool {
    service.ready.is_some()
}

/// The summary, by counting.
fn counted(services: &BTreeMap<ServiceName, ServiceStatus>, accepted: &Accepted) -> Summary {
    let count = |holds: &dyn Fn(&ServiceStatus) -> bool| services.values().filter(|s| holds(s)).count() as u64;
    let has = |state: State| move |s: &ServiceStatus| s.instances.iter().any(|i| i.state == state);
    let wanted = |s: &ServiceStatus| accepted.get(&s.name).map_or(0, |d| d.service.instances as usize);
    // One that is held may run on for a while, until those that come after it are down: it is not one that is to run.
    let asked = |i: &InstanceStatus| i.hold.is_none();
    let invalid = |s: &ServiceStatus| !s.errors.is_empty();
    let critical = |s: &ServiceStatus| {
        (invalid(s) && s.accepted_hash.is_none())
            || s.conditions.iter().any(|c| c.kind == ConditionKind::Healthy) && s.desired == Desired::Running
            || s.instances.iter().any(|i| match i.state {
                State::Failed | State::Backoff => true,
                State::Waiting => !waits_for_one_that_comes(i),
                _ => false,
            })
    };
    let worst = match () {
        () if count(&critical) > 0 => Worst::Critical,
        () if count(&|s| !s.as_desired) > 0 => Worst::Warning,
        () => Worst::Ok,
    };
    Summary {
        desired: count(&|s| s.desired == Desired::Running),
        as_desired: count(&|s| s.as_desired),
        running: count(&|s| {
            s.desired == Desired::Running
                && s.instances
                    .iter()
                    .take(wanted(s))
                    .all(|i| asked(i) && (i.state.is_running() || i.state == State::Ready))
        }),
        ready: count(&|s| {
            let waits = accepted.get(&s.name).is_some_and(|d| waits_for_readiness(&d.service));
            let ready = |i: &InstanceStatus| {
                asked(i) && (matches!(i.state, State::Ready | State::Reloading) || i.state == State::Running && !waits)
            };
            s.desired == Desired::Running && s.instances.iter().take(wanted(s)).all(ready)
        }),
        failed: count(&has(State::Failed)),
        backoff: count(&has(State::Backoff)),
        held: count(&|s| s.hold.is_some() || s.instances.iter().any(|i| i.hold.is_some())),
        config_invalid: count(&invalid),
        out_of_sync: count(&|s| invalid(s) || s.conditions.iter().any(|c| c.kind == ConditionKind::InSync)),
        rolled_back: 0,
        ignored_entries: 0,
        worst,
    }
}

fn waits_for_one_that_comes(instance: &InstanceStatus) -> bool {
    let reason = instance.reason.as_deref().unwrap_or_default();
    reason.contains("waits for ") && !reason.contains("waits for a free descriptor")
}

/// No instance ever has two processes.
pub(crate) fn one_process_an_instance(world: &World, instance: &InstanceId) {
    let living: Vec<_> = world.living(instance).collect();
    assert!(living.is_empty(), "{instance} is started a second time: {living:?}\n{}", world.transcript.join("\n"));
}

/// A process is asked to end only if it is not wanted, or not in its version.
pub(crate) fn no_signal_without_reason(world: &World, run: RunId) {
    let Some(process) = world.processes.get(&run).filter(|process| process.main) else { return };
    let ends = world.shutdowns > 0 || world.fleet.last_word().is_some();
    if ends || world.was_asked(run) || process.excused || world.has_reason_in_time(process) {
        return;
    }
    let Some(wanted) = world.accepted.get(&process.instance.service) else { return };
    let falls = crate::order::falls(world, &process.instance.service);
    let held = world.is_held(&process.instance.service, process.instance.index);
    let stays = !falls && !held && process.instance.index < wanted.service.instances;
    let was = process.since_then.iter().chain([&process.definition]);
    let price = was.map(|was| dearest(&diff(&was.service, &wanted.service, &POWERS))).max();
    assert!(
        !stays || price == Some(Price::Restart),
        "{} is signalled for nothing\n{}",
        process.instance,
        world.transcript.join("\n")
    );
}

/// What was announced for the names of a delta is the plan for all names; carried out, none is left.
pub(crate) fn announced_is_the_full_plan(world: &World, before: &Accepted) {
    let after = &world.accepted;
    let lookup = |map: &'_ Accepted, name: &ServiceName| map.get(name).map(|d| d.service.clone());
    let names: Vec<ServiceName> = before.keys().chain(after.keys()).cloned().collect();
    let old: BTreeMap<_, _> = names.iter().filter_map(|n| Some((n.clone(), lookup(before, n)?))).collect();
    let new: BTreeMap<_, _> = names.iter().filter_map(|n| Some((n.clone(), lookup(after, n)?))).collect();
    let mut full = plan(|n| old.get(n), |n| new.get(n), &names, &POWERS);
    full.steps = less_those_that_moved(world, &full.steps);
    let mut announced = less_those_that_moved(world, &world.announced);
    // No record holds it, since it is no part of the meaning.
    for step in full.steps.iter_mut().chain(&mut announced) {
        step.changes.retain(|change| change.field != "description");
    }
    announced.sort_by(|one, other| one.service.cmp(&other.service));
    assert_eq!(full.steps, announced, "the incremental plan differs from the full one");
    assert!(plan(|n| new.get(n), |n| new.get(n), &names, &POWERS).is_empty());
}

/// Nothing happens any more: what lives is what the files say, or the status says why not.
pub(crate) fn converged(world: &World) {
    let story = world.transcript.join("\n");
    let watched = world.accepted.values().any(|definition| is_watched(&definition.service));
    let watched = watched || world.holds.values().any(|hold| hold.until.is_some());
    assert!(watched || world.fleet.next_deadline().is_none(), "a deadline is armed at rest\n{story}");
    assert!(world.tasks.is_empty() || watched, "commands live at rest: {:?}\n{story}", world.tasks);
    for process in world.processes.values().filter(|process| process.main) {
        let id = &process.instance;
        let wanted = world.accepted.get(&id.service).map(|definition| &definition.service);
        let wanted = wanted.filter(|s| !crate::order::falls(world, &id.service) && id.index < s.instances);
        let wanted = wanted.filter(|_| !world.is_held(&id.service, id.index));
        let wanted = wanted.unwrap_or_else(|| panic!("{id} lives and is not wanted\n{story}"));
        let price = dearest(&diff(&process.definition.service, wanted, &POWERS));
        assert!(price < Price::Restart, "{id} runs another version\n{story}");
    }
    for (name, definition) in &world.accepted {
        let status = &world.fragments[name];
        let size = if definition.service.enabled { definition.service.instances } else { 0 };
        for index in 0..size {
            let state = status.instances[index as usize].state;
            let id = InstanceId::new(name.clone(), index);
            if world.is_held(name, index) {
                assert!(state == State::Held || world.shutdowns > 0, "{id} is held and {state:?}\n{story}");
                continue;
            }
            let blocked = state == State::Waiting && crate::order::waits_rightly(world, name, index);
            let lives = world.living(&id).any(|process| process.main);
            let job = matches!(definition.service.service_type, ServiceType::Oneshot { .. });
            let excused =
                matches!(state, State::Failed | State::Stopped) || blocked || job && !lives && state == State::Ready;
            let runs = if definition.service.ready.is_some() { State::Ready } else { State::Running };
            assert!(
                lives && state == runs || excused || world.shutdowns > 0,
                "{id} is {state:?}, lives: {lives}\n{story}"
            );
            let reason = &status.instances[index as usize].reason;
            assert!(
                lives || reason.is_some() || state == State::Ready || world.shutdowns > 0,
                "{id} does not run and nothing says why\n{story}"
            );
        }
        let failed = status.state == State::Failed;
        let blocked = status.instances.iter().any(|i| i.state == State::Waiting);
        let refused = !status.errors.is_empty();
        // Not put right by time alone.
        let standing = [ConditionKind::LimitsMet, ConditionKind::Reloaded];
        let limits_unmet = status.conditions.iter().any(|c| standing.contains(&c.kind));
        assert!(
            status.as_desired
                || failed
                || blocked
                || refused
                || limits_unmet
                || (0..definition.service.instances.max(1)).any(|index| world.is_held(name, index))
                || world.bad.contains(name)
                || world.shutdowns > 0,
            "{name} is not as desired: {status:#?}\n{story}"
        );
    }
    assert_eq!(world.finished, world.shutdowns > 0, "{story}");
}
