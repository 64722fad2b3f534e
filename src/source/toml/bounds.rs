//! The values of `[limits]`: a number, a text in the limit's own unit, `"unlimited"`, or `{ soft, hard }`.

use super::reader::{Node, Reader, Value, clipped};
use super::values::{described, integer, or_say};
use crate::model::diagnostic::Code;
use crate::model::limits::{Bound, Limit};
use crate::model::units::{self, BadUnit};
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Declares how the bounds of one sort of limit are written.
macro_rules! bounds {
    ($($(#[$doc:meta])* $name:ident: $parse:expr, $code:expr, $like:literal, $example:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub Limit);

        impl Value for $name {
            fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
                limit(reader, path, node, &Quantity { parse: $parse, code: $code, like: $like }).map(Self)
            }
        }

        described!($name, stringify!($name), {
            "anyOf": [
                { "type": ["integer", "string"], "examples": [$example, "unlimited"] },
                {
                    "type": "object", "additionalProperties": false, "required": ["soft", "hard"],
                    "properties": { "soft": { "type": ["integer", "string"] }, "hard": { "type": ["integer", "string"] } }
                }
            ]
        });
    )+};
}

/// How a bound is written where it is no number.
struct Quantity {
    parse: fn(&str) -> Result<u64, BadUnit>,
    code: Code,
    like: &'static str,
}

bounds! {
    /// A limit that counts.
    CountLimit: count, Code::BadValue, "65536", 65536;
    /// A limit in bytes.
    SizeLimit: units::parse_size, Code::BadSize, "\"64MiB\"", "64MiB";
    /// A limit in seconds.
    SecondsLimit: seconds, Code::BadDuration, "\"10m\"", "10m";
    /// A limit in microseconds.
    MicrosLimit: micros, Code::BadDuration, "\"200ms\"", "200ms";
}

/// Whole seconds, rounded up: the kernel ends a process whose CPU time is limited to none.
fn seconds(text: &str) -> Result<u64, BadUnit> {
    units::parse_duration(text).map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

fn micros(text: &str) -> Result<u64, BadUnit> {
    units::parse_duration(text).map(|time| time.as_micros() as u64)
}

fn count(text: &str) -> Result<u64, BadUnit> {
    let help = || "write a number, such as 65536, or \"unlimited\"".to_owned();
    text.trim().parse().map_err(|_| BadUnit { message: format!("`{}` is no number", clipped(text)), help: help() })
}

/// A number, a text in the quantity's unit, `"unlimited"`, or `{ soft, hard }`.
fn limit(reader: &mut Reader<'_>, path: &str, node: &Node<'_>, quantity: &Quantity) -> Option<Limit> {
    let DeValue::Table(table) = node.get_ref() else {
        return bound(reader, path, node, quantity).map(|both| Limit { soft: both, hard: both });
    };
    let (mut soft, mut hard) = (None, None);
    for (key, node) in table {
        let read = |reader: &mut Reader<'_>| Some(bound(reader, path, node, quantity));
        match key.get_ref().as_ref() {
            "soft" => soft = read(reader),
            "hard" => hard = read(reader),
            other => reader.unknown(path, other, key.span(), &["soft", "hard"], &[]),
        }
    }
    let (Some(soft), Some(hard)) = (soft, hard) else {
        let missing = if soft.is_none() { "soft" } else { "hard" };
        let message = format!("`{missing}` is missing");
        reader.wrong(
            node.span(),
            Code::BadValue,
            message,
            format!("write {{ soft = {0}, hard = {0} }}", quantity.like),
        );
        return None;
    };
    let (soft, hard) = (soft?, hard?);
    if soft > hard {
        let message = format!("the soft limit {soft} is above the hard limit {hard}");
        reader.wrong(node.span(), Code::BadValue, message, "lower `soft` or raise `hard`");
        return None;
    }
    Some(Limit { soft, hard })
}

fn bound(reader: &mut Reader<'_>, path: &str, node: &Node<'_>, quantity: &Quantity) -> Option<Bound> {
    match node.get_ref() {
        DeValue::String(text) if text == "unlimited" => Some(Bound::UNLIMITED),
        DeValue::String(text) => {
            let read = (quantity.parse)(text);
            or_say(reader, node, quantity.code, read).map(Bound)
        }
        DeValue::Integer(_) => integer(reader, path, node, 0..=u64::MAX).map(Bound),
        _ => {
            let wanted = "a number, \"unlimited\" or { soft, hard }";
            reader.wrong_type(path, node, wanted, quantity.like);
            None
        }
    }
}
