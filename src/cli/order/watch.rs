//! Waits until it is known what came of an order: looks, and looks again when something has happened.

use super::outcome::{Told, Verdict, verdict};
use super::{Talk, complain};
use crate::api::client::{Lines, Next, encoded};
use crate::cli::status::wall;
use crate::cli::talk::until_shown;
use crate::model::order::Done;
use crate::model::status::Status;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::{Duration, Instant, SystemTime};

/// Two looks are at least so far apart,
const APART: Duration = Duration::from_millis(20);
/// and at most so far, should an event be missed; at first less.
const AT_LEAST: Duration = Duration::from_secs(2);
/// After so long a terminal is told who is waited for.
const SILENCE: Duration = Duration::from_secs(2);
/// More names than this do not fit into a question: all are asked for.
const NAMES: usize = 100;

/// What came of `word` for each target, as far as is known by `until`.
pub(super) fn outcome(talk: &Talk, word: &str, targets: Vec<Done>, until: Instant) -> Vec<Told> {
    let mut told: Vec<Told> = targets.into_iter().map(Told::unawaited).collect();
    let (begun, mut spoken) = (Instant::now(), false);
    let query = query(&told);
    // Heard before the first look: what happens after that look is not missed.
    let mut events = talk.lines(&format!("/v1/events{query}")).ok();
    let (mut pause, mut patience) = (APART, APART * 5);
    while told.iter().any(|it| it.pending) {
        let asked = Instant::now();
        match talk.get::<Status>(&format!("/v1/status{query}")) {
            Ok(status) => told.iter_mut().filter(|it| it.pending).for_each(|it| settle(it, word, &status)),
            Err(refusal) => {
                let why = refusal.to_string();
                told.iter_mut().filter(|it| it.pending).for_each(|it| it.settle(Verdict::Bad(why.clone()), None));
                return told;
            }
        }
        if Instant::now() >= until {
            break;
        }
        if !spoken && begun.elapsed() > SILENCE && std::io::stderr().is_terminal() {
            spoken = true;
            let waiting: Vec<&str> = told.iter().filter(|it| it.pending).map(|it| it.done.target.as_str()).collect();
            let shown = waiting[..waiting.len().min(5)].join(", ");
            let more = if waiting.len() > 5 { format!(" and {} more", waiting.len() - 5) } else { String::new() };
            complain(word, &format!("waits for {shown}{more}; Ctrl-C ends the waiting, not the order"));
        }
        // What costs the daemon much is asked of it less often.
        pause = pause.max(asked.elapsed() * 4);
        std::thread::sleep(pause);
        listen(&mut events, until.min(Instant::now() + patience));
        patience = (patience * 2).min(AT_LEAST);
    }
    told.iter_mut().filter(|it| it.pending).for_each(Told::late);
    until_shown(talk, |status| told.iter().filter(|it| it.verdict.is_good()).all(|it| is_shown(it, word, status)));
    told
}

fn query(told: &[Told]) -> String {
    let services: BTreeSet<&str> = told.iter().map(Told::service).collect();
    if services.len() > NAMES {
        return String::new();
    }
    let names: Vec<String> = services.into_iter().map(encoded).collect();
    format!("?names={}", names.join(","))
}

fn settle(it: &mut Told, word: &str, status: &Status) {
    let service = status.services.iter().find(|service| service.name.as_str() == it.service());
    let (verdict, next) = verdict(word, it.index(), service, &it.done.words, wall(SystemTime::now()));
    it.settle(verdict, next);
}

/// Whether the snapshot says of it what was seen.
fn is_shown(it: &Told, word: &str, status: &Status) -> bool {
    let mut again = it.clone();
    settle(&mut again, word, status);
    again.verdict == it.verdict
}

/// Waits until something has happened, and takes all that has.
fn listen(events: &mut Option<Lines<'_>>, until: Instant) {
    let Some(lines) = events else {
        std::thread::sleep(until.saturating_duration_since(Instant::now()).min(AT_LEAST / 10));
        return;
    };
    let mut until = until;
    loop {
        match lines.next(Some(until)) {
            Ok(Next::Line(line)) if line.starts_with(b"data:") => until = Instant::now(),
            Ok(Next::Line(_)) => {}
            Ok(Next::NotYet) => return,
            Ok(Next::End) | Err(_) => {
                *events = None;
                return;
            }
        }
    }
}
