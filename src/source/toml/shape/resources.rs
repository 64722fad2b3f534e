//! `[resources]`.

use crate::model::diagnostic::Code;
use crate::model::resources::Resources as ModelResources;
use crate::model::units;
use crate::source::toml::reader::{Node, Reader, Value, clipped};
use crate::source::toml::table::table;
use crate::source::toml::values::{described, integer, or_say};
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

table! {
    /// What all processes of the service together may use: values of cgroup v2, and of v1 where v2 lacks
    /// the controller (all but `memory_high` and `io_weight`). Without such a cgroup the service does not start.
    Resources {
        /// Memory beyond which the kernel kills: a size, or "unlimited".
        memory_max: Memory,
        /// Memory beyond which the service is slowed down and gives memory back: a size, or "unlimited".
        memory_high: Memory,
        /// Its share of the processors where others want them too: 1 to 10000, others having 100.
        cpu_weight: Weight,
        /// Processor time: "150%", or 1.5, is that of one and a half processors; or "unlimited".
        cpu_max: Processors,
        /// How many processes and threads it may have: a number, or "unlimited".
        pids_max: Pids,
        /// Its share of the disks where others want them too: 1 to 10000, others having 100.
        io_weight: Weight,
    }
    later &["memory_swap_max", "memory_min", "memory_low", "io_max", "cpus"]
}

impl Resources {
    /// Those that bound something; `None` where none does.
    pub fn to_model(&self) -> Option<Box<ModelResources>> {
        let resources = ModelResources {
            memory_max: self.memory_max.and_then(|bound| bound.0),
            memory_high: self.memory_high.and_then(|bound| bound.0),
            cpu_weight: self.cpu_weight.map(|weight| weight.0),
            cpu_max: self.cpu_max.and_then(|bound| bound.0),
            pids_max: self.pids_max.and_then(|bound| bound.0),
            io_weight: self.io_weight.map(|weight| weight.0),
        };
        (resources != ModelResources::default()).then(|| Box::new(resources))
    }
}

/// The word that lifts a bound that `[defaults]` has.
const UNLIMITED: &str = "unlimited";

fn is_unlimited(node: &Node<'_>) -> bool {
    node.get_ref().as_str() == Some(UNLIMITED)
}

/// Bytes, at least one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(Option<u64>);

impl Value for Memory {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let bytes = match node.get_ref() {
            _ if is_unlimited(node) => return Some(Self(None)),
            DeValue::String(text) => {
                let read = units::parse_size(text);
                or_say(reader, node, Code::BadSize, read)?
            }
            DeValue::Integer(_) => integer(reader, path, node, 0..=u64::MAX)?,
            _ => {
                reader.wrong_type(path, node, "a size or \"unlimited\"", "\"64MiB\"");
                return None;
            }
        };
        // The kernel counts in pages, and reads its own largest number as none.
        if !(4096..i64::MAX as u64).contains(&bytes) {
            reader.wrong(node.span(), Code::BadValue, format!("{bytes} bytes are no bound"), "write \"4KiB\" or more");
            return None;
        }
        Some(Self(Some(bytes)))
    }
}

described!(Memory, "Memory", { "type": ["string", "integer"], "examples": ["512MiB", "2GiB", "unlimited"] });

/// 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight(u64);

impl Value for Weight {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        integer(reader, path, node, 1..=10_000).map(Self)
    }
}

described!(Weight, "Weight", { "type": "integer", "minimum": 1, "maximum": 10_000 });

/// How many, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pids(Option<u64>);

impl Value for Pids {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        match node.get_ref() {
            _ if is_unlimited(node) => Some(Self(None)),
            // More than the kernel has numbers for.
            DeValue::Integer(_) => integer(reader, path, node, 1..=1 << 22).map(|count| Self(Some(count))),
            _ => {
                reader.wrong_type(path, node, "a number or \"unlimited\"", "200");
                None
            }
        }
    }
}

described!(Pids, "Pids", { "type": ["integer", "string"], "minimum": 1, "examples": [512, "unlimited"] });

/// Hundredths of one processor, 1 to a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processors(Option<u64>);

const MOST_HUNDREDTHS: f64 = 1_000_000.0;

impl Value for Processors {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let (text, hundredths) = match node.get_ref() {
            _ if is_unlimited(node) => return Some(Self(None)),
            DeValue::String(text) => {
                let number = text.trim().strip_suffix('%').map(str::trim_end);
                (text.to_string(), number.and_then(|number| number.parse::<f64>().ok()))
            }
            DeValue::Integer(number) if number.radix() == 10 => {
                (number.to_string(), number.as_str().parse::<f64>().ok().map(|whole| whole * 100.0))
            }
            DeValue::Float(number) => {
                (number.as_str().to_owned(), number.as_str().parse::<f64>().ok().map(|parts| parts * 100.0))
            }
            _ => {
                reader.wrong_type(path, node, "a percentage or a number of processors", "\"150%\"");
                return None;
            }
        };
        let whole = hundredths.map(f64::round).filter(|hundredths| (1.0..=MOST_HUNDREDTHS).contains(hundredths));
        if whole.is_none() {
            let message = format!("`{}` is no processor time", clipped(&text));
            let help = "write \"150%\" or 1.5 for one and a half processors, from 1% on";
            reader.wrong(node.span(), Code::BadValue, message, help);
        }
        whole.map(|hundredths| Self(Some(hundredths as u64)))
    }
}

described!(Processors, "Processors", { "type": ["string", "number"], "examples": ["50%", "150%", 1.5, "unlimited"] });
