//! `abide log-level`: how much abide's own log tells.

use super::args::look::LogLevelArgs;
use super::talk::{Refusal, Talk};
use super::{exit, say};
use serde::Deserialize;
use serde_json::json;

const PATH: &str = "/v1/log-level";

#[derive(Deserialize)]
struct Level {
    filter: String,
}

/// Asks for it, and changes it before that if it is to be changed.
pub(super) fn run(args: &LogLevelArgs) -> u8 {
    match attempt(args) {
        Ok(Level { filter }) => {
            say(&format!("{filter}\n"));
            exit::OK
        }
        Err(refusal) => refusal.told("log-level"),
    }
}

fn attempt(args: &LogLevelArgs) -> Result<Level, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    match &args.filter {
        Some(filter) => talk.post(PATH, &json!({ "filter": filter })),
        None => talk.get(PATH),
    }
}
