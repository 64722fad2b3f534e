//! `abide events`: what happens, in words or as JSON, as it happens.

use super::args::look::EventsArgs;
use super::exit;
use super::talk::{Refusal, Talk, listed};
use crate::api::client::{Next, encoded};
use crate::model::news::News;
use crate::model::time::Wall;
use crate::render::news;
use serde::Deserialize;
use serde_json::Value;
use std::io::{IsTerminal, Write};

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
    let mut lines = talk.lines(&path(args))?;
    let (mut id, mut data) = (String::new(), String::new());
    while let Next::Line(line) = lines.next(None)? {
        let line = String::from_utf8_lossy(&line);
        if let Some(rest) = line.strip_prefix("id:") {
            rest.trim().clone_into(&mut id);
        } else if let Some(rest) = line.strip_prefix("data:") {
            data.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        } else if line.trim().is_empty() && !data.is_empty() {
            let text = if args.json { json(&id, &data) } else { words(&data, coloured) };
            data.clear();
            let mut out = std::io::stdout().lock();
            if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                return Ok(exit::OK);
            }
        }
    }
    Ok(exit::OK)
}

fn path(args: &EventsArgs) -> String {
    let mut query = vec![format!("follow={}", args.follow)];
    // The first that is kept, unless a later one is named.
    query.push(format!("since={}", args.since.as_deref().map_or_else(|| "first".to_owned(), encoded)));
    if !args.names.is_empty() {
        query.push(format!("names={}", listed(&args.names)));
    }
    format!("/v1/events?{}", query.join("&"))
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
