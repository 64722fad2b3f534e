//! Whether services are where somebody waits for them to be, by their status alone. Pure.

use crate::model::selector::Target;
use crate::model::status::{Desired, InstanceStatus, ServiceStatus, State};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Aim {
    /// A process runs.
    Running,
    /// It is ready, as `[ready]` has it; where the file has none, it runs.
    Ready,
    /// None runs, and none will of its own accord.
    Stopped,
    /// What runs is what the file says.
    InSync,
}

/// How far it is from that, each with why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is there.
    Reached,
    /// It may come to that.
    NotYet(String),
    /// It will not, unless somebody does something about it.
    Never(String),
}

/// What is known of one who is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// `None`: there is no such service any more.
    pub(super) status: Option<&'a ServiceStatus>,
    /// Whether its file says when it is ready.
    pub(super) has_ready: bool,
}

/// One of several that are waited for.
pub(super) fn judge(aim: Aim, target: &Target, known: Known<'_>) -> Verdict {
    let Some(service) = known.status else {
        return match aim {
            Aim::Stopped => Verdict::Reached,
            _ => Verdict::Never(format!("{target} is no longer there")),
        };
    };
    if aim != Aim::Stopped
        && let Some(error) = service.errors.first().filter(|_| aim == Aim::InSync || service.accepted_hash.is_none())
    {
        return Verdict::Never(format!("the file of {} has an error: {}", service.name, error.message));
    }
    if let Some(rollback) = service.rollback.as_ref().filter(|_| aim == Aim::InSync) {
        let name = &service.name;
        return Verdict::Never(format!("{name} went back to an earlier version than its file has: {}", rollback.cause));
    }
    let mut instances = instances(service, target).peekable();
    if instances.peek().is_none() {
        return match (aim, service.desired, target.index) {
            (Aim::Stopped, ..) => Verdict::Reached,
            (_, _, Some(_)) => Verdict::Never(format!("{target} is no longer there")),
            (Aim::InSync, Desired::Stopped, _) => Verdict::Reached,
            (_, Desired::Stopped, _) => Verdict::Never(unwanted(&target.to_string())),
            _ => Verdict::NotYet(format!("{target} has no instance yet")),
        };
    }
    let one = |instance: &InstanceStatus| {
        let name = if service.instances.len() > 1 {
            format!("{}@{}", service.name, instance.id)
        } else {
            service.name.to_string()
        };
        judge_one(aim, &name, service, instance, known.has_ready)
    };
    together(instances.map(one))
}

/// All of some: none is too little, and one that cannot is enough to give up.
pub(super) fn together(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut all = Verdict::Reached;
    for verdict in verdicts {
        match (&all, verdict) {
            (_, Verdict::Never(why)) => return Verdict::Never(why),
            (Verdict::Reached, Verdict::NotYet(why)) => all = Verdict::NotYet(why),
            _ => {}
        }
    }
    all
}

/// Those of a service's instances that a target means.
pub(super) fn instances<'a>(
    service: &'a ServiceStatus,
    target: &Target,
) -> impl Iterator<Item = &'a InstanceStatus> + use<'a> {
    let index = target.index;
    service.instances.iter().filter(move |instance| index.is_none_or(|index| index == instance.id))
}

fn judge_one(aim: Aim, name: &str, service: &ServiceStatus, instance: &InstanceStatus, has_ready: bool) -> Verdict {
    let state = instance.state;
    let reached = match aim {
        Aim::Running => state.is_running(),
        Aim::Ready => match state {
            State::Ready => true,
            State::Running | State::Reloading => !has_ready || instance.ready_at.is_some(),
            _ => false,
        },
        Aim::Stopped => matches!(state, State::Stopped | State::Held | State::Failed),
        Aim::InSync => instance.in_sync && service.observed_generation == service.generation,
    };
    if reached {
        return Verdict::Reached;
    }
    let reason = instance.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    let now = format!("{name} is {}{reason}", state.as_str());
    match (aim, state) {
        (Aim::Stopped, _) => Verdict::NotYet(now),
        (_, State::Failed) => Verdict::Never(format!("{name} has failed{reason}")),
        (Aim::InSync, _) => Verdict::NotYet(now),
        // A hold with an end lifts itself.
        (_, State::Held) if lifts_itself(service, instance) => Verdict::NotYet(now),
        (_, State::Held) => Verdict::Never(format!("{name} is held{reason}; `abide start {name}` lifts that")),
        (_, State::Stopped) if service.desired == Desired::Stopped => Verdict::Never(unwanted(name)),
        (_, State::Stopped) if service.as_desired => {
            Verdict::Never(format!("{name} has ended, and its file wants no other start{reason}"))
        }
        _ => Verdict::NotYet(now),
    }
}

fn lifts_itself(service: &ServiceStatus, instance: &InstanceStatus) -> bool {
    let hold = instance.hold.as_ref().or(service.hold.as_ref());
    hold.is_some_and(|hold| hold.until.is_some())
}

fn unwanted(name: &str) -> String {
    format!("{name} is not to run, as its file says")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn service(desired: &str, instances: &[Value]) -> ServiceStatus {
        let value = json!({
            "name": "web", "source": { "file": "web.toml", "kind": "toml" }, "generation": 2, "observed_generation": 2,
            "accepted_hash": "a", "desired": desired, "state": "stopped", "as_desired": false, "instances": instances,
        });
        serde_json::from_value(value).unwrap()
    }

    fn instance(id: u32, state: &str) -> Value {
        json!({ "id": id, "state": state, "in_sync": state == "ready", "reason": "because" })
    }

    fn target(index: Option<u32>) -> Target {
        Target { service: crate::model::name::ServiceName::new("web").unwrap(), index }
    }

    fn verdict(aim: Aim, status: &ServiceStatus, index: Option<u32>, has_ready: bool) -> Verdict {
        judge(aim, &target(index), Known { status: Some(status), has_ready })
    }

    fn never(verdict: Verdict) -> String {
        let Verdict::Never(why) = verdict else { panic!("{verdict:?}") };
        why
    }

    #[test]
    fn it_runs_is_ready_and_stopped_as_its_state_says() {
        use Aim::{Ready, Running, Stopped};
        for (state, runs, ready, stopped) in [
            ("running", true, false, false),
            ("ready", true, true, false),
            ("starting", false, false, false),
            ("backoff", false, false, false),
            ("stopped", false, false, true),
            ("failed", false, false, true),
            ("held", false, false, true),
        ] {
            let status = service("running", &[instance(0, state)]);
            let reached = |aim| verdict(aim, &status, None, true) == Verdict::Reached;
            assert_eq!((reached(Running), reached(Ready), reached(Stopped)), (runs, ready, stopped), "{state}");
        }
        let runs = service("running", &[instance(0, "running")]);
        assert_eq!(verdict(Ready, &runs, None, false), Verdict::Reached, "nothing says when it is ready");
    }

    #[test]
    fn what_cannot_be_any_more_says_why() {
        let of = |status: &ServiceStatus| never(verdict(Aim::Ready, status, None, true));
        assert_eq!(of(&service("running", &[instance(0, "failed")])), "web has failed: because");
        assert_eq!(of(&service("stopped", &[instance(0, "stopped")])), "web is not to run, as its file says");
        let mut held = service("running", &[instance(0, "running"), instance(1, "held")]);
        assert_eq!(of(&held), "web@1 is held: because; `abide start web@1` lifts that");
        let lasting =
            json!({ "by": { "name": "root" }, "since": "2026-01-01T00:00:00Z", "until": "2026-01-01T01:00:00Z" });
        held.instances[1].hold = serde_json::from_value(lasting).unwrap();
        assert!(matches!(verdict(Aim::Ready, &held, None, true), Verdict::NotYet(_)), "this hold lifts itself");
        let mut done = service("running", &[instance(0, "stopped")]);
        assert!(matches!(verdict(Aim::Running, &done, None, false), Verdict::NotYet(_)), "it is about to be started");
        done.as_desired = true;
        assert!(never(verdict(Aim::Running, &done, None, false)).contains("wants no other start"));
        let gone = judge(Aim::Running, &target(None), Known { status: None, has_ready: false });
        assert_eq!(never(gone), "web is no longer there");
        assert_eq!(
            never(verdict(Aim::Running, &service("running", &[instance(0, "ready")]), Some(3), false)),
            "web@3 is no longer there"
        );
    }

    #[test]
    fn a_bad_file_never_gets_in_sync_and_a_version_that_runs_goes_on() {
        let mut status = service("running", &[instance(0, "ready")]);
        assert_eq!(verdict(Aim::InSync, &status, None, false), Verdict::Reached);
        let error = json!({ "file": "web.toml", "code": "syntax", "message": "a bracket is missing", "first_seen": "2026-01-01T00:00:00Z" });
        status.errors = vec![serde_json::from_value(error).unwrap()];
        assert_eq!(
            never(verdict(Aim::InSync, &status, None, false)),
            "the file of web has an error: a bracket is missing"
        );
        assert_eq!(verdict(Aim::Running, &status, None, false), Verdict::Reached);
        status.accepted_hash = None;
        assert!(never(verdict(Aim::Running, &status, None, false)).contains("a bracket is missing"));
    }

    proptest! {
        #[test]
        fn no_status_is_in_two_places_at_once(
            states in proptest::collection::vec(0_usize..State::COUNT, 0..4),
            running in any::<bool>(),
            as_desired in any::<bool>(),
            has_ready in any::<bool>(),
            index in proptest::option::of(0_u32..5),
        ) {
            let all: Vec<Value> = (0..).zip(&states).map(|(id, at)| instance(id, State::ALL[*at].as_str())).collect();
            let mut status = service(if running { "running" } else { "stopped" }, &all);
            status.as_desired = as_desired;
            let reached = |aim| verdict(aim, &status, index, has_ready) == Verdict::Reached;
            prop_assert!(!(reached(Aim::Running) && reached(Aim::Stopped)));
            prop_assert!(!reached(Aim::Ready) || reached(Aim::Running));
            // All of a service are there if and only if each of its instances is.
            if !all.is_empty() {
                for aim in [Aim::Running, Aim::Ready, Aim::Stopped, Aim::InSync] {
                    let each = (0..all.len()).all(|at| verdict(aim, &status, Some(at as u32), has_ready) == Verdict::Reached);
                    prop_assert_eq!(verdict(aim, &status, None, has_ready) == Verdict::Reached, each);
                }
            }
        }
    }
}
