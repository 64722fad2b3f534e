//! The values of what says how a service lives: commands, steps, ends, words.

use super::reader::{Node, Reader, Value, clipped, type_name};
use super::values::{Words, choice, described, integer};
use crate::model::check::OnFailure;
use crate::model::diagnostic::Code;
use crate::model::policy::OnChange;
use crate::model::signal::Signal;
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::time::Duration;

/// More commands, steps or ends than this are a mistake.
const MANY: usize = 64;

/// What a service's command is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeWord {
    /// Its process is the service.
    Simple,
    /// It leaves the service in the background.
    Forking,
    /// It does one thing.
    Oneshot,
}

/// How several processes of a service take a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// All at the same time.
    Together,
    /// One after the other.
    Rolling,
}

choice!(Strategy, "together" => Strategy::Together, "rolling" => Strategy::Rolling);
choice!(TypeWord, "simple" => TypeWord::Simple, "forking" => TypeWord::Forking, "oneshot" => TypeWord::Oneshot);
choice!(OnFailure, "restart" => OnFailure::Restart, "report" => OnFailure::Report);
choice!(OnChange, "reload" => OnChange::Reload, "restart" => OnChange::Restart);

/// The elements of a list of at most [`MANY`].
pub(super) fn elements<'n, 'i>(
    reader: &mut Reader<'_>,
    path: &str,
    node: &'n Node<'i>,
    wanted: &str,
    like: &str,
) -> Option<&'n [Node<'i>]> {
    let DeValue::Array(array) = node.get_ref() else {
        reader.wrong_type(path, node, wanted, like);
        return None;
    };
    if array.len() > MANY {
        let message = format!("{} are more than {MANY}", array.len());
        reader.wrong(node.span(), Code::BadValue, message, "write fewer");
        return None;
    }
    Some(array)
}

/// Commands that follow one another: each a list of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands(pub Vec<Vec<String>>);

impl Value for Commands {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let like = "[[\"/usr/bin/first\", \"argument\"], [\"/usr/bin/second\"]]";
        let array = elements(reader, path, node, "a list of commands", like)?;
        let mut commands = Vec::with_capacity(array.len());
        for (index, element) in array.iter().enumerate() {
            let path = format!("{path}.{index}");
            reader.place(&path, element.span());
            // A list of strings is one command to some and several to others: neither is guessed.
            if !matches!(element.get_ref(), DeValue::Array(_)) {
                let key = path.rsplit('.').nth(1).unwrap_or_default();
                let kind = type_name(element.get_ref());
                let message = format!("`{key}` is a list of commands, each a list of words; this is {kind}");
                reader.wrong(element.span(), Code::WrongType, message, format!("write it like {like}"));
                return None;
            }
            let words = reader.strings(&path, element, like)?;
            if words.first().is_none_or(String::is_empty) {
                reader.wrong(
                    element.span(),
                    Code::NoCommand,
                    "the command is empty",
                    "write the program as its first word",
                );
                return None;
            }
            commands.push(words);
        }
        Some(Self(commands))
    }
}

described!(Commands, "Commands", {
    "type": "array",
    "items": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
    "examples": [[["/usr/bin/first", "argument"], ["/usr/bin/second"]]]
});

/// Signals, each with the time until the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps(pub Vec<(Signal, Duration)>);

impl Value for Steps {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let like = "[[\"TERM\", \"10s\"], [\"INT\", \"5s\"]]";
        let array = elements(reader, path, node, "a list of steps", like)?;
        if array.is_empty() {
            reader.wrong(node.span(), Code::BadValue, "there is no step", format!("write them like {like}"));
            return None;
        }
        let mut steps = Vec::with_capacity(array.len());
        for element in array {
            let pair = element.get_ref().as_array().and_then(|pair| match &**pair {
                [signal, time] => Some((signal, time)),
                _ => None,
            });
            let Some((signal, time)) = pair else {
                let message = "a step is a signal and the time until the next step";
                reader.wrong(element.span(), Code::WrongType, message, "write it like [\"TERM\", \"10s\"]");
                return None;
            };
            let (signal, time) = (Signal::read(reader, path, signal), Duration::read(reader, path, time));
            steps.push((signal?, time?));
        }
        Some(Self(steps))
    }
}

described!(Steps, "Steps", {
    "type": "array", "minItems": 1,
    "items": { "type": "array", "items": { "type": ["string", "integer"] }, "minItems": 2, "maxItems": 2 },
    "examples": [[["TERM", "10s"], ["INT", "5s"]]]
});

/// Ends of a process: exit codes as numbers, signals by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// The codes.
    pub codes: Vec<i32>,
    /// The signals.
    pub signals: Vec<Signal>,
}

impl Value for Ends {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let like = "[3, \"TERM\"]";
        let array = elements(reader, path, node, "a list of exit codes and signals", like)?;
        let mut ends = Self::default();
        for element in array {
            match element.get_ref() {
                DeValue::Integer(_) => ends.codes.push(integer(reader, path, element, 0..=255)? as i32),
                DeValue::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let message = format!("\"{}\" may be a code or a signal", clipped(text));
                    let help = "write a code without quotes, and a signal by its name";
                    reader.wrong(element.span(), Code::BadValue, message, help);
                    return None;
                }
                _ => ends.signals.push(Signal::read(reader, path, element)?),
            }
        }
        Some(ends)
    }
}

described!(Ends, "Ends", {
    "type": "array",
    "items": { "type": ["integer", "string"] },
    "examples": [[3, "TERM"]]
});

/// Exit codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes(pub Vec<i32>);

impl Value for Codes {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let array = elements(reader, path, node, "a list of exit codes", "[100]")?;
        let codes = array.iter().map(|code| integer(reader, path, code, 0..=255).map(|code| code as i32));
        // All of them, so that each mistake is told.
        let codes: Vec<Option<i32>> = codes.collect();
        codes.into_iter().collect::<Option<Vec<i32>>>().map(Self)
    }
}

described!(Codes, "Codes", {
    "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 255 }, "examples": [[100]]
});
