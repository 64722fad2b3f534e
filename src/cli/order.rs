//! `abide start`, `stop`, `restart`, `reload`, `signal`, `confirm`, `suspend`, `resume`, `retry`, `rollback`: gives the order, waits for what comes of it, and says it, a
//! line a target.

mod ask;
mod outcome;
mod watch;

use super::args::hand::{AnswerArgs, LogTendArgs, OrderArgs, OutcomeArgs, RestartArgs, SignalArgs, StopArgs};
use super::args::reconcile::{RetryArgs, RollbackArgs, SomeArgs, SuspendArgs};
use super::talk::{Refusal, Talk, complain, listed};
use super::{exit, say};
use crate::model::order::Done;
use crate::model::selector::Selector;
use crate::model::units;
use outcome::{Told, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Of those with whom all is well so many are named one by one.
const NAMED: usize = 40;

/// One order, as the command line has it.
struct Given {
    /// The command.
    word: &'static str,
    names: Vec<Selector>,
    body: Value,
    /// Whether it is asked, where more are meant than are named.
    asks: bool,
    /// How long what comes of it is waited for.
    waits: Option<Duration>,
    answer: AnswerArgs,
}

/// What the daemon answers at once.
#[derive(Debug, Deserialize)]
struct Answer {
    act: String,
    targets: Vec<Done>,
}

/// `abide start`
pub(super) fn start(args: OrderArgs) -> u8 {
    let OrderArgs { names, outcome, answer } = args;
    give(&Given { word: "start", names, body: json!({}), asks: false, waits: waits(&outcome), answer })
}

/// `abide stop`
pub(super) fn stop(args: StopArgs) -> u8 {
    let StopArgs { names, reason, lasts, yes, outcome, answer } = args;
    let mut body = json!({});
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    if let Some(lasts) = lasts {
        body["for"] = units::duration(lasts).into();
    }
    give(&Given { word: "stop", names, body, asks: !yes, waits: waits(&outcome), answer })
}

/// `abide restart`
pub(super) fn restart(args: RestartArgs) -> u8 {
    let RestartArgs { names, rolling, yes, outcome, answer } = args;
    let body = if rolling { json!({ "rolling": true }) } else { json!({}) };
    give(&Given { word: "restart", names, body, asks: !yes, waits: waits(&outcome), answer })
}

/// `abide reload`
pub(super) fn reload(args: OrderArgs) -> u8 {
    let OrderArgs { names, outcome, answer } = args;
    give(&Given { word: "reload", names, body: json!({}), asks: false, waits: waits(&outcome), answer })
}

/// `abide signal`
pub(super) fn signal(args: SignalArgs) -> u8 {
    match args.parts() {
        Ok((signal, names)) => {
            let body = json!({ "signal": signal.name() });
            give(&Given { word: "signal", names, body, asks: false, waits: None, answer: args.answer })
        }
        Err(wrong) => {
            complain("signal", &wrong);
            exit::USAGE
        }
    }
}

/// `abide rotate` and `abide reopen`
pub(super) fn tend_log(word: &'static str, args: LogTendArgs) -> u8 {
    let LogTendArgs { names, answer } = args;
    give(&Given { word, names, body: json!({}), asks: false, waits: None, answer })
}

/// `abide confirm`
pub(super) fn confirm(args: SomeArgs) -> u8 {
    let SomeArgs { names, answer } = args;
    give(&Given { word: "confirm", names, body: json!({}), asks: false, waits: None, answer })
}

/// `abide suspend`
pub(super) fn suspend(args: SuspendArgs) -> u8 {
    let SuspendArgs { names, reason, answer } = args;
    let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    give(&Given { word: "suspend", names, body, asks: false, waits: None, answer })
}

/// `abide resume`
pub(super) fn resume(args: SomeArgs) -> u8 {
    let SomeArgs { names, answer } = args;
    give(&Given { word: "resume", names, body: json!({}), asks: false, waits: None, answer })
}

/// `abide retry`
pub(super) fn retry(args: RetryArgs) -> u8 {
    let RetryArgs { names, answer } = args;
    give(&Given { word: "retry", names, body: json!({}), asks: false, waits: None, answer })
}

/// `abide rollback`
pub(super) fn rollback(args: RollbackArgs) -> u8 {
    let RollbackArgs { names, to, yes, answer } = args;
    let body = to.map_or_else(|| json!({}), |to| json!({ "to": to }));
    give(&Given { word: "rollback", names, body, asks: !yes, waits: None, answer })
}

fn waits(args: &OutcomeArgs) -> Option<Duration> {
    (!args.no_wait).then_some(args.timeout)
}

fn give(given: &Given) -> u8 {
    attempt(given).unwrap_or_else(|refusal| refusal.told(given.word))
}

fn attempt(given: &Given) -> Result<u8, Refusal> {
    let talk = Talk::new(given.answer.places.clone())?;
    if given.asks && !ask::may_go_on(&talk, given.word, &given.names)? {
        complain(given.word, "nothing was done");
        return Ok(exit::ERRORS);
    }
    let path = match given.names.as_slice() {
        [] => format!("/v1/{}", given.word),
        names => format!("/v1/services/{}/{}", listed(names), given.word),
    };
    let answer: Answer = talk.post(&path, &given.body)?;
    let told = match given.waits {
        Some(time) => watch::outcome(&talk, given.word, answer.targets, Instant::now() + time),
        None => answer.targets.into_iter().map(Told::unawaited).collect(),
    };
    if given.answer.json {
        let targets: Vec<Value> = told.iter().map(Told::json).collect();
        say(&(json!({ "act": answer.act, "targets": targets }).to_string() + "\n"));
    } else {
        text(given.word, &told);
    }
    Ok(code(&told))
}

/// Those with whom something is wrong, then the others, as many as can be read.
fn text(word: &str, told: &[Told]) {
    let (well, amiss): (Vec<&Told>, Vec<&Told>) = told.iter().partition(|it| it.verdict.is_good());
    for it in &amiss {
        let next = it.next.as_ref().map_or_else(String::new, |next| format!("; look at `{next}`"));
        complain(word, &(it.sentence() + &next));
    }
    let mut out: String = well.iter().take(NAMED).map(|it| it.sentence() + "\n").collect();
    if well.len() > NAMED {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "and {} more", well.len() - NAMED);
    }
    say(&out);
}

fn code(told: &[Told]) -> u8 {
    let has = |what: fn(&Verdict) -> bool| told.iter().any(|it| what(&it.verdict));
    match (has(|it| matches!(it, Verdict::Bad(_))), has(|it| matches!(it, Verdict::Late(_)))) {
        (true, _) => exit::ERRORS,
        (false, true) => exit::TIMEOUT,
        (false, false) => exit::OK,
    }
}
