//! `[schedule]`.

use crate::model::diagnostic::Code;
use crate::model::schedule::{self, IoClass, Realtime};
use crate::source::toml::reader::{Node, Reader, Value, clipped, nearest, shown};
use crate::source::toml::table::table;
use crate::source::toml::values::{described, integer};
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::ops::RangeInclusive;

table! {
    /// How the kernel schedules a service's processes. What needs a right that abide does not have is an error before
    /// the start.
    Schedule {
        /// How much it leaves to others: -20 (nothing) to 19. Below abide's own it needs CAP_SYS_NICE, or a `limits.nice`
        /// that allows it. Default: abide's own.
        nice: Nice,
        /// How its disk requests are ordered, where the disk's scheduler does that: "idle", "best-effort:0" (first) to
        /// "best-effort:7", or "realtime:0" to "realtime:7" (CAP_SYS_NICE); without a number it is 4. Default: by `nice`.
        #[schemars(with = "Option<IoClassText>")]
        io_class: IoClass,
        /// The processors that it may run on: numbers from 0, or a text such as "0-3,8". Default: abide's own.
        cpu_affinity: Cpus,
        /// How soon it ends when the machine is out of memory: -1000 (never) to 1000 (first). Less than abide's own
        /// needs CAP_SYS_RESOURCE. Default: abide's own, as a rule 0.
        oom_score_adjust: OomScore,
        /// A real-time policy with its priority, 1 to 99 (first): "fifo:10" or "round-robin:10". Needs CAP_SYS_NICE, or a
        /// `limits.realtime_priority` that allows it.
        #[schemars(with = "Option<RealtimeText>")]
        realtime: Realtime,
    }
    later &[]
}

/// A whole number within `range`, which may be below zero.
fn signed(reader: &mut Reader<'_>, path: &str, node: &Node<'_>, range: &RangeInclusive<i32>) -> Option<i32> {
    let DeValue::Integer(number) = node.get_ref() else {
        reader.wrong_type(path, node, "a number", "10");
        return None;
    };
    let value = i32::from_str_radix(number.as_str(), number.radix()).ok().filter(|value| range.contains(value));
    if value.is_none() {
        let message = format!("`{}`: {} is out of range", shown(path), clipped(&number.to_string()));
        let help = format!("write a number, {} to {}", range.start(), range.end());
        reader.wrong(node.span(), Code::BadValue, message, help);
    }
    value
}

/// A nice value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nice(pub i32);

impl Value for Nice {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        signed(reader, path, node, &(-20..=19)).map(Self)
    }
}

described!(Nice, "Nice", { "type": "integer", "minimum": -20, "maximum": 19 });

/// An adjustment of the OOM score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomScore(pub i32);

impl Value for OomScore {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        signed(reader, path, node, &(-1000..=1000)).map(Self)
    }
}

described!(OomScore, "OomScore", { "type": "integer", "minimum": -1000, "maximum": 1000 });

/// No kernel is built for more processors than this.
const MOST_CPUS: u32 = 8192;

/// Processors, sorted, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpus(pub Vec<u32>);

impl Value for Cpus {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let mut cpus = match node.get_ref() {
            DeValue::String(text) => {
                let cpus = schedule::parse_ranges(text, MOST_CPUS - 1);
                if cpus.is_none() {
                    let message = format!("`{}` names no processors", clipped(text));
                    reader.wrong(node.span(), Code::BadValue, message, "write them like \"0-3,8\"");
                }
                cpus?
            }
            DeValue::Array(elements) if elements.len() <= MOST_CPUS as usize => {
                let range = 0..=u64::from(MOST_CPUS - 1);
                let read: Vec<_> =
                    elements.iter().map(|element| integer(reader, path, element, range.clone())).collect();
                read.into_iter().map(|cpu| cpu.map(|cpu| cpu as u32)).collect::<Option<Vec<u32>>>()?
            }
            _ => {
                reader.wrong_type(path, node, "a list of numbers or a string", "[0, 1] or \"0-3,8\"");
                return None;
            }
        };
        cpus.sort_unstable();
        cpus.dedup();
        if cpus.is_empty() {
            let help = "name at least one, or remove the key";
            reader.wrong(node.span(), Code::BadValue, "no processor is named", help);
            return None;
        }
        Some(Self(cpus))
    }
}

described!(Cpus, "Processors", {
    "anyOf": [
        { "type": "string", "examples": ["0-3,8"] },
        { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1 }
    ]
});

/// The word of `text` before its colon, and the number behind it.
fn word_and_number(text: &str) -> Option<(&str, Option<u8>)> {
    match text.split_once(':') {
        None => Some((text, None)),
        Some((word, number)) => Some((word, Some(number.parse().ok()?))),
    }
}

fn no_value(reader: &mut Reader<'_>, path: &str, node: &Node<'_>, text: &str, words: &[&str], like: &str) {
    let key = path.rsplit('.').next().unwrap_or(path);
    let word = text.split(':').next().unwrap_or_default();
    let help = match nearest(word, words).filter(|near| *near != word) {
        Some(near) => format!("did you mean \"{near}\"? Write it like {like}"),
        None => format!("write it like {like}"),
    };
    reader.wrong(node.span(), Code::BadValue, format!("`{}` is no value of `{key}`", clipped(text)), help);
}

impl Value for IoClass {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = reader.string(path, node)?;
        let level = |number: Option<u8>| Some(number.unwrap_or(4)).filter(|level| *level <= 7);
        let class = match word_and_number(&text) {
            Some(("idle", None)) => Some(Self::Idle),
            Some(("best-effort", number)) => level(number).map(Self::BestEffort),
            Some(("realtime", number)) => level(number).map(Self::Realtime),
            _ => None,
        };
        if class.is_none() {
            let words = ["idle", "best-effort", "realtime"];
            no_value(reader, path, node, &text, &words, "\"idle\", \"best-effort:7\" or \"realtime:0\"");
        }
        class
    }
}

/// An I/O class, for editors.
pub(super) struct IoClassText;
described!(IoClassText, "IoClass", {
    "type": "string", "pattern": "^(idle|(best-effort|realtime)(:[0-7])?)$", "examples": ["idle", "best-effort:7"]
});

impl Value for Realtime {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = reader.string(path, node)?;
        let policy = match word_and_number(&text) {
            Some(("fifo", Some(priority @ 1..=99))) => Some(Self::Fifo(priority)),
            Some(("round-robin", Some(priority @ 1..=99))) => Some(Self::RoundRobin(priority)),
            _ => None,
        };
        if policy.is_none() {
            no_value(reader, path, node, &text, &["fifo", "round-robin"], "\"fifo:10\" or \"round-robin:10\"");
        }
        policy
    }
}

/// A real-time policy, for editors.
pub(super) struct RealtimeText;
described!(RealtimeText, "Realtime", {
    "type": "string", "pattern": "^(fifo|round-robin):[1-9][0-9]?$", "examples": ["fifo:10", "round-robin:10"]
});
