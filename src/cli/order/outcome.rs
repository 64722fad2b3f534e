//! What came of an order, told by the state of its target. Pure.

use crate::model::diagnostic::escaped;
use crate::model::order::Done;
use crate::model::status::{ConditionKind, InstanceStatus, ServiceStatus, State};
use crate::model::time::Wall;
use crate::render::status::{advice, why_not};
use serde_json::{Value, json};

/// How it stands with a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be: what it is now.
    Good(String),
    /// It will not come to that by itself: why.
    Bad(String),
    /// On its way: where it is.
    Way(String),
    /// The time is over and it is still on its way.
    Late(String),
}

impl Verdict {
    /// Whether there is nothing to complain of.
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Good(_) | Self::Way(_))
    }
}

/// What is told of one target.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) done: Done,
    pub(super) verdict: Verdict,
    /// A command that shows more.
    pub(super) next: Option<String>,
    /// Whether what comes of it is still awaited.
    pub(super) pending: bool,
}

impl Told {
    /// As the daemon has answered, and nothing was waited for.
    pub(super) fn unawaited(done: Done) -> Self {
        let words = escaped(&done.words);
        let verdict = if done.refused { Verdict::Bad(words) } else { Verdict::Way(words) };
        let pending = !done.refused;
        Self { done, verdict, next: None, pending }
    }

    /// With what was seen.
    pub(super) fn settle(&mut self, verdict: Verdict, next: Option<String>) {
        self.pending = matches!(verdict, Verdict::Way(_));
        (self.verdict, self.next) = (verdict, next);
    }

    /// The time is over.
    pub(super) fn late(&mut self) {
        self.pending = false;
        if let Verdict::Way(words) = &self.verdict {
            self.verdict = Verdict::Late(format!("{words}; that has not ended in time, and goes on"));
        }
    }

    /// Which service.
    pub(super) fn service(&self) -> &str {
        self.done.target.split('@').next().unwrap_or_default()
    }

    /// Which instance, if one.
    pub(super) fn index(&self) -> Option<u32> {
        self.done.target.split_once('@')?.1.parse().ok()
    }

    /// For people.
    pub(super) fn sentence(&self) -> String {
        let (Verdict::Good(words) | Verdict::Bad(words) | Verdict::Way(words) | Verdict::Late(words)) = &self.verdict;
        format!("{}: {words}", self.done.target)
    }

    /// For programs: what was answered, and what came of it.
    pub(super) fn json(&self) -> Value {
        let mut value = json!(self.done);
        let (outcome, says) = match &self.verdict {
            Verdict::Good(says) => ("reached", says),
            Verdict::Bad(says) => ("failed", says),
            Verdict::Late(says) => ("timeout", says),
            Verdict::Way(says) => ("unknown", says),
        };
        value["outcome"] = outcome.into();
        value["says"] = says.as_str().into();
        value
    }
}

/// How it stands with `service` (gone, if there is none) after the order `word`, to which the daemon answered
/// `answered`; and a command that shows more, where something is wrong.
pub(super) fn verdict(
    word: &str,
    index: Option<u32>,
    service: Option<&ServiceStatus>,
    answered: &str,
    now: Wall,
) -> (Verdict, Option<String>) {
    let Some(service) = service else {
        let gone = "is gone, its file was removed".to_owned();
        return (if word == "stop" { Verdict::Good(gone) } else { Verdict::Bad(gone) }, None);
    };
    let meant: Vec<&InstanceStatus> =
        service.instances.iter().filter(|it| index.is_none_or(|index| it.id == index)).collect();
    let answered = escaped(answered);
    let verdict = match word {
        "stop" => stopped(&meant, &answered),
        "reload" => reloaded(service, &meant, answered),
        _ => up(service, &meant, answered, now),
    };
    let next = matches!(verdict, Verdict::Bad(_)).then(|| advice(service)).flatten();
    (verdict, next)
}

fn stopped(meant: &[&InstanceStatus], answered: &str) -> Verdict {
    let rests = |it: &&&InstanceStatus| it.pid.is_none() && !matches!(it.state, State::Starting | State::Stopping);
    match meant.len() - meant.iter().filter(rests).count() {
        // What was said to come has come.
        0 => Verdict::Good(answered.replace("stops and is held", "stopped and held")),
        _ => Verdict::Way("is stopping".to_owned()),
    }
}

fn reloaded(service: &ServiceStatus, meant: &[&InstanceStatus], answered: String) -> Verdict {
    if meant.iter().any(|it| it.state == State::Reloading) {
        return Verdict::Way("is reloading".to_owned());
    }
    let failed = service.conditions.iter().find(|condition| condition.kind == ConditionKind::Reloaded);
    failed.map_or(Verdict::Good(answered), |condition| Verdict::Bad(escaped(&condition.message)))
}

fn up(service: &ServiceStatus, meant: &[&InstanceStatus], answered: String, now: Wall) -> Verdict {
    let first = |states: &[State]| meant.iter().find(|it| states.contains(&it.state));
    if let Some(moving) = first(&[State::Starting, State::Stopping, State::Reloading]) {
        return Verdict::Way(format!("is {}", moving.state.as_str()));
    }
    if let Some(down) = first(&[State::Failed, State::Backoff, State::Held]) {
        return Verdict::Bad(why_not(service, down, now));
    }
    if let Some(waiting) = first(&[State::Waiting]) {
        return Verdict::Way(why_not(service, waiting, now));
    }
    // It runs, nothing is known to be wrong with it, and yet it is not as desired: [ready] has not said so yet.
    let unready = !service.as_desired && service.conditions.is_empty() && service.errors.is_empty();
    match (meant, first(&[State::Running])) {
        (_, Some(_)) if unready => Verdict::Way("runs, and is not ready yet".to_owned()),
        ([only], _) => match only.pid {
            Some(pid) => Verdict::Good(format!("{}, pid {pid}", only.state.as_str())),
            // A job that is done; or one that stays down, of which the daemon has said why.
            None if only.last_exit.is_some() => Verdict::Good("has done its work".to_owned()),
            None => Verdict::Good(answered),
        },
        (many, _) => {
            let running = many.iter().filter(|it| it.pid.is_some()).count();
            Verdict::Good(format!("{running} of {} instances run", many.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::status::LastExit;

    fn service(state: &str, as_desired: bool, more: &str) -> ServiceStatus {
        let text = format!(
            r#"{{"name":"web","source":{{"file":"web.toml","kind":"toml"}},"generation":1,"observed_generation":1,
                "desired":"running","state":"{state}","as_desired":{as_desired},
                "instances":[{{"id":0,"state":"{state}","in_sync":true{more}}}]}}"#
        );
        serde_json::from_str(&text).expect("a service")
    }

    fn of(word: &str, service: &ServiceStatus) -> Verdict {
        verdict(word, None, Some(service), "stops and is held", Wall(0)).0
    }

    #[test]
    fn one_that_is_to_run_is_on_its_way_until_it_runs_or_cannot() {
        for state in ["starting", "stopping", "reloading", "waiting"] {
            assert!(matches!(of("start", &service(state, false, "")), Verdict::Way(_)), "{state}");
        }
        for state in ["failed", "backoff", "held"] {
            assert!(matches!(of("restart", &service(state, false, "")), Verdict::Bad(_)), "{state}");
        }
        let running = r#","pid":7"#;
        assert_eq!(of("start", &service("running", true, running)), Verdict::Good("running, pid 7".into()));
        assert!(matches!(of("start", &service("running", false, running)), Verdict::Way(_)), "not ready yet");
    }

    #[test]
    fn a_job_that_is_done_has_run() {
        let mut job = service("stopped", true, "");
        job.instances[0].last_exit = serde_json::from_str::<Option<LastExit>>(
            r#"{"at":"2026-11-22T15:09:36.123Z","kind":"code","code":0,"asked":false,"ran_ms":5}"#,
        )
        .expect("an end");
        assert_eq!(of("start", &job), Verdict::Good("has done its work".into()));
    }

    #[test]
    fn one_that_is_to_stop_has_stopped_when_no_process_is_left() {
        assert_eq!(of("stop", &service("held", false, "")), Verdict::Good("stopped and held".into()));
        assert!(matches!(of("stop", &service("stopping", false, r#","pid":7"#)), Verdict::Way(_)));
        assert!(matches!(of("stop", &service("running", true, r#","pid":7"#)), Verdict::Way(_)));
        assert!(matches!(verdict("stop", None, None, "", Wall(0)).0, Verdict::Good(_)), "one that is gone");
    }
}
