//! `abide wait`: until services are where a script needs them.

use super::args::hand::WaitArgs;
use super::talk::{Refusal, Talk, complain, listed, until_shown};
use super::{exit, say};
use crate::api::client::encoded;
use crate::model::diagnostic::escaped;
use crate::model::status::Status;
use crate::model::units;
use serde_json::Value;

/// Waits; the exit code tells how it ended.
pub(super) fn run(args: &WaitArgs) -> u8 {
    attempt(args).unwrap_or_else(|refusal| refusal.told("wait"))
}

fn attempt(args: &WaitArgs) -> Result<u8, Refusal> {
    let talk = Talk::new(args.answer.places.clone())?.patient(args.timeout);
    let (names, until) = (listed(&args.names), args.until.word());
    let timeout = units::duration(args.timeout);
    let hash = args.hash.as_ref().map_or_else(String::new, |hash| format!("&hash={}", encoded(hash)));
    let answer: Value = talk.get(&format!("/v1/wait?names={names}&for={until}&timeout={timeout}{hash}"))?;
    if args.answer.json {
        say(&format!("{answer}\n"));
    } else {
        let why = escaped(answer["why"].as_str().unwrap_or_default());
        match answer["outcome"].as_str() {
            Some("reached") => say(&states(&answer)),
            Some("never") => complain("wait", &format!("that cannot be any more: {why}")),
            _ => complain("wait", &format!("it has not come to that within {timeout}: {why}")),
        }
    }
    until_shown(&talk, |status| is_shown(&answer, status));
    Ok(match answer["outcome"].as_str() {
        Some("reached") => exit::OK,
        Some("never") => exit::ERRORS,
        _ => exit::TIMEOUT,
    })
}

/// Whether the snapshot has each where it was seen.
fn is_shown(answer: &Value, status: &Status) -> bool {
    let seen = answer["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    seen.iter().all(|seen| {
        let service = status.services.iter().find(|service| seen["service"] == service.name.as_str());
        service.is_none_or(|service| {
            let meant =
                service.instances.iter().filter(|it| seen["instance"].as_u64().is_none_or(|id| id == u64::from(it.id)));
            meant.into_iter().all(|it| seen["state"] == it.state.as_str())
        })
    })
}

/// A line for each that was waited for.
fn states(answer: &Value) -> String {
    let services = answer["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |it: &Value| {
        let instance = it["instance"].as_u64().map_or_else(String::new, |index| format!("@{index}"));
        let word = |key: &str| escaped(it[key].as_str().unwrap_or_default());
        format!("{}{instance}: {}\n", word("service"), word("state"))
    };
    services.iter().map(line).collect()
}
