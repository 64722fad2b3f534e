//! `abide events`: what happens, in words or as JSON, as it happens.

use super::args::look::EventsArgs;
use super::exit;
use super::talk::{Refusal, Talk, listed};
use crate::api::client::{Lines, Next, NoAnswer, encoded};
use crate::model::news::News;
use crate::model::selector::Selector;
use crate::model::time::Wall;
use crate::render::news;
use serde::Deserialize;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// One event, as the stream has it.
#[derive(Debug, Deserialize)]
struct Event {
    at: Wall,
    #[serde(flatten)]
    news: News,
}

/// Prints what has happened, and with `-f` what happens.
pub(super) fn run(args: &EventsArgs) -> u8 {
    attempt(args).unwrap_or_else(|refusal| refusal.told("events"))
}

fn attempt(args: &EventsArgs) -> Result<u8, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    let coloured = super::status::coloured(std::io::stdout().is_terminal());
    let Some(newest) = position(&mut talk.lines("/v1/events")?)? else { return Err(talk.strange()) };
    let since = args.since.clone().unwrap_or_else(|| format!("{}-0", newest.0));
    // What is kept is asked for whole: of events about others the last one tells, too, that there are no more.
    let names =
        if args.follow && !args.names.is_empty() { format!("&names={}", listed(&args.names)) } else { String::new() };
    let mut lines = talk.lines(&format!("/v1/events?since={}{names}", encoded(&since)))?;
    while let Some(Block { id, data }) = block(&mut lines, (!args.follow).then_some(SILENCE))? {
        if !data.is_empty() && (args.follow || is_meant(&args.names, &data)) {
            let text = if args.json { json(&id, &data) } else { words(&data, coloured) };
            let mut out = std::io::stdout().lock();
            if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                return Ok(exit::OK);
            }
        }
        if !args.follow && parts(&id).is_none_or(|(life, number)| life != newest.0 || number >= newest.1) {
            break;
        }
    }
    Ok(exit::OK)
}

/// What of the stream belongs together.
#[derive(Debug, Default)]
struct Block {
    id: String,
    /// Empty: it only tells where the stream is.
    data: String,
}

/// Who may not see all does not see the last of what is kept: nothing more is awaited after so long.
const SILENCE: Duration = Duration::from_millis(500);

/// The next; `None`: there is none, or none has come within `time`.
fn block(lines: &mut Lines<'_>, time: Option<Duration>) -> Result<Option<Block>, NoAnswer> {
    let until = time.map(|time| Instant::now() + time);
    let mut block = Block::default();
    while let Next::Line(line) = lines.next(until)? {
        let line = String::from_utf8_lossy(&line);
        if let Some(rest) = line.strip_prefix("id:") {
            rest.trim().clone_into(&mut block.id);
        } else if let Some(rest) = line.strip_prefix("data:") {
            block.data.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        } else if line.trim().is_empty() && !block.id.is_empty() {
            return Ok(Some(block));
        }
    }
    Ok(None)
}

/// Where the stream begins: which life of abide this is, and the number of its newest event.
fn position(lines: &mut Lines<'_>) -> Result<Option<(String, u64)>, NoAnswer> {
    let first = block(lines, Some(Duration::from_secs(30)))?;
    Ok(first.and_then(|block| parts(&block.id)))
}

fn parts(id: &str) -> Option<(String, u64)> {
    let (life, number) = id.rsplit_once('-')?;
    Some((life.to_owned(), number.parse().ok()?))
}

/// Whether an event is about one of those who were named; what is about nobody is meant where nobody is named.
fn is_meant(names: &[Selector], data: &str) -> bool {
    let Ok(Event { news, .. }) = serde_json::from_str::<Event>(data) else { return names.is_empty() };
    let (to, index) = match &news {
        News::Transition { to, instance, .. } => (Some(*to), *instance),
        _ => (None, None),
    };
    let means = |name: &Selector, service: &&str| {
        let state = name.state.is_none_or(|state| to == Some(state));
        state && name.index.is_none_or(|named| index == Some(named)) && name.names.matches(service)
    };
    names.is_empty() || news.services().iter().any(|service| names.iter().any(|name| means(name, service)))
}

fn words(data: &str, coloured: bool) -> String {
    match serde_json::from_str::<Event>(data) {
        Ok(Event { at, news }) => news::line(at, &news, coloured),
        // Of a kind that this release does not know: better as it is than not at all.
        Err(_) => format!("{}\n", crate::model::diagnostic::escaped(data)),
    }
}

/// With its id, by which `--since` goes on after it.
fn json(id: &str, data: &str) -> String {
    match serde_json::from_str::<Value>(data) {
        Ok(mut value) if value.is_object() => {
            value["id"] = id.into();
            format!("{value}\n")
        }
        _ => format!("{data}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_of_words_or_one_of_json_with_its_id() {
        let data = r#"{"at":"2026-11-22T15:09:36.123Z","kind":"mended","service":"web","file":"web.toml"}"#;
        assert_eq!(words(data, false), "2026-11-22T15:09:36.123Z  web  web.toml is mended\n");
        let value: Value = serde_json::from_str(&json("5f0c-3", data)).expect("JSON");
        assert_eq!((&value["id"], &value["kind"]), (&Value::from("5f0c-3"), &Value::from("mended")));
        assert_eq!(words("{\"kind\":\"new\u{1b}\"}", false), "{\"kind\":\"new\\u{1b}\"}\n");
    }
}
