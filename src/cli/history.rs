//! `abide history` and `abide diff`: what a service was, and what differs between two of its versions.

use super::args::reconcile::{DiffArgs, HistoryArgs};
use super::talk::{Refusal, Talk};
use super::{exit, say};
use crate::api::client::encoded;
use crate::model::diagnostic::escaped;
use crate::model::history::{Difference, History};
use crate::model::plan::Change;
use crate::render::plan::field_lines;
use std::fmt::Write as _;
use std::io::IsTerminal;

/// So many changed keys of a version are named.
const NAMED: usize = 4;

/// Shows the versions, the newest first.
pub(super) fn history(args: &HistoryArgs) -> u8 {
    let show = || {
        let talk = Talk::new(args.places.clone())?;
        let history: History = talk.get(&format!("/v1/services/{}/history", encoded(args.name.as_str())))?;
        if args.json {
            say(&format!("{}\n", serde_json::to_string(&history).expect("the model has string keys only")));
        } else {
            say(&text(&history));
        }
        Ok::<u8, Refusal>(exit::OK)
    };
    show().unwrap_or_else(|refusal| refusal.told("history"))
}

fn text(history: &History) -> String {
    if history.versions.is_empty() {
        return format!("No version of {} is kept.\n", history.service);
    }
    let width = history.versions.iter().map(|version| version.cause.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for version in history.versions.iter().rev() {
        let mark = if version.in_force { '*' } else { ' ' };
        let (at, cause) = (version.at.rfc3339(), escaped(&version.cause));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{mark} {}  {at}  {cause:<width$}  {}", version.version, keys(&version.changes));
    }
    out.push_str("\n* in force\n");
    out
}

fn keys(changes: &[Change]) -> String {
    let mut keys: Vec<String> = changes.iter().take(NAMED).map(|change| escaped(&change.field)).collect();
    if changes.len() > NAMED {
        keys.push(format!("{} more", changes.len() - NAMED));
    }
    keys.join(", ")
}

/// Shows what differs; exit 0 when nothing does, 2 when something does.
pub(super) fn diff(args: &DiffArgs) -> u8 {
    let show = || {
        let talk = Talk::new(args.places.clone())?;
        let named = [("from", &args.from), ("to", &args.to)].into_iter();
        let query: Vec<String> =
            named.filter_map(|(key, value)| Some(format!("{key}={}", encoded(value.as_ref()?)))).collect();
        let path = format!("/v1/services/{}/diff?{}", encoded(args.name.as_str()), query.join("&"));
        let found: Difference = talk.get(&path)?;
        if args.json {
            say(&format!("{}\n", serde_json::to_string(&found).expect("the model has string keys only")));
        } else {
            let coloured = super::status::coloured(std::io::stdout().is_terminal());
            let lines = field_lines(&found.changes, coloured);
            let none = if found.changes.is_empty() { "    nothing differs\n" } else { "" };
            say(&format!("{}  {} → {}\n{lines}{none}", found.service, found.from, found.to));
        }
        Ok::<u8, Refusal>(if found.changes.is_empty() { exit::OK } else { exit::CHANGES })
    };
    show().unwrap_or_else(|refusal| refusal.told("diff"))
}
