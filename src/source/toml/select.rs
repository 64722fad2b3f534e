//! The values by which `[log]` selects.

use super::life::elements;
use super::reader::{Node, Reader, Value, clipped, shown};
use super::values::{described, or_say};
use crate::model::diagnostic::Code;
use crate::model::log_to::LogTo;
use crate::model::pattern;
use crate::model::select::Rate;
use crate::model::units::BadUnit;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Regular expressions, each understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(pub Vec<String>);

impl Value for Patterns {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let like = "[\"^GET /health\"]";
        let array = elements(reader, path, node, "a list of patterns", like)?;
        let texts = reader.strings(path, node, like)?;
        let mut whole = true;
        for (text, element) in texts.iter().zip(array) {
            if let Err(wrong) = pattern::compile(text) {
                let message = format!("the pattern is no regular expression: {wrong}");
                reader.wrong(
                    element.span(),
                    Code::BadValue,
                    message,
                    "correct it; a `\\` before a sign takes it as it is",
                );
                whole = false;
            }
        }
        whole.then_some(Self(texts))
    }
}

described!(Patterns, "Patterns", {
    "type": "array",
    "items": { "type": "string", "maxLength": pattern::MAX_PATTERN },
    "examples": [["^GET /health"]]
});

impl Value for Rate {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = reader.string(path, node)?;
        let rate = Self::parse(&text).ok_or_else(|| BadUnit {
            message: format!("`{}`: {} is no rate", shown(path), clipped(&text)),
            help: "write lines and a time from a millisecond to a day, such as \"1000/s\" or \"50/10s\"".to_owned(),
        });
        or_say(reader, node, Code::BadValue, rate)
    }
}

/// So many lines in a time, for editors.
pub struct RateText;
described!(RateText, "Rate", { "type": "string", "examples": ["1000/s", "50/10s"] });

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct To(pub LogTo);

impl Value for To {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = reader.string(path, node)?;
        let to = LogTo::parse(&text).map(Self).ok_or_else(|| BadUnit {
            message: format!("`{}`: {} is no place for a log", shown(path), clipped(&text)),
            help: "write \"file\", \"journald\", \"syslog\", \"syslog:/PATH\" or \"syslog:HOST:PORT\"".to_owned(),
        });
        or_say(reader, node, Code::BadValue, to)
    }
}

described!(To, "LogTo", {
    "type": "string",
    "examples": ["file", "journald", "syslog", "syslog:/run/syslog.socket", "syslog:logs.example:601"]
});
