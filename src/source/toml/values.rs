//! Single values of a service file: how each is written, read and described to editors.

use super::reader::{Node, Reader, Value, clipped, nearest, shown};
use crate::model::diagnostic::Code;
use crate::model::logging::{Compress, LogFormat, OnFull, RotateEvery, StderrTo};
use crate::model::policy::{RestartWhen, StopScope};
use crate::model::select::Ansi;
use crate::model::signal::Signal;
use crate::model::units::{self, BadUnit};
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Declares what editors are told of a value.
macro_rules! described {
    ($type:ty, $name:expr, $($schema:tt)+) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($schema)+)
            }
        }
    };
}

pub(crate) use described;

impl Value for String {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        reader.string(path, node)
    }
}

impl Value for bool {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let value = node.get_ref().as_bool();
        if value.is_none() {
            reader.wrong_type(path, node, "true or false", "true");
        }
        value
    }
}

impl Value for Vec<String> {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        reader.strings(path, node, "[\"one\", \"two\"]")
    }
}

/// A whole number within `range`.
pub(crate) fn integer(reader: &mut Reader<'_>, path: &str, node: &Node<'_>, range: RangeInclusive<u64>) -> Option<u64> {
    let DeValue::Integer(number) = node.get_ref() else {
        reader.wrong_type(path, node, "a number", &range.start().max(&1).to_string());
        return None;
    };
    let value = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|value| range.contains(value));
    if value.is_none() {
        let wanted = match *range.end() {
            u64::MAX => format!("{} or more", range.start()),
            end => format!("{} to {end}", range.start()),
        };
        let message = format!("`{}`: {} is out of range", shown(path), clipped(&number.to_string()));
        reader.wrong(node.span(), Code::BadValue, message, format!("write a number, {wanted}"));
    }
    value
}

/// A fraction within `range`; whole numbers are fractions too.
fn fraction(reader: &mut Reader<'_>, path: &str, node: &Node<'_>, range: RangeInclusive<f64>) -> Option<f64> {
    let text = match node.get_ref() {
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        _ => {
            reader.wrong_type(path, node, "a number", "1.5");
            return None;
        }
    };
    let value = text.parse().ok().filter(|value| range.contains(value));
    if value.is_none() {
        let wanted = format!("{} to {}", range.start(), range.end());
        let message = format!("`{}`: {} is out of range", shown(path), clipped(&text));
        reader.wrong(node.span(), Code::BadValue, message, format!("write a number, {wanted}"));
    }
    value
}

/// Declares a whole number with its range.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($type:ty), $range:expr, $($schema:tt)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub $type);

        impl Value for $name {
            fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
                integer(reader, path, node, $range).map(|value| Self(value as $type))
            }
        }

        described!($name, stringify!($name), { "type": "integer", $($schema)+ });
    };
}

number!(/// How many processes of one service.
    Instances(u32), 0..=1000, "minimum": 0, "maximum": 1000);
number!(/// How many files or events, at least one.
    Count(u32), 1..=100_000, "minimum": 1, "maximum": 100_000);
number!(/// A descriptor beyond the standard ones.
    Descriptor(i32), 3..=1023, "minimum": 3, "maximum": 1023);
number!(/// A status of HTTP.
    HttpStatus(u16), 100..=599, "minimum": 100, "maximum": 599);
number!(/// A share in percent.
    Percent(u32), 0..=100, "minimum": 0, "maximum": 100);
number!(/// How many rotated files.
    Files(u32), 0..=100_000, "minimum": 0, "maximum": 100_000);

/// By what a delay grows: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor(pub f64);

impl Value for Factor {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        fraction(reader, path, node, 1.0..=100.0).map(Self)
    }
}

described!(Factor, "Factor", { "type": "number", "minimum": 1, "maximum": 100 });

/// A share: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl Value for Share {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        fraction(reader, path, node, 0.0..=1.0).map(Self)
    }
}

described!(Share, "Share", { "type": "number", "minimum": 0, "maximum": 1 });

impl Value for Duration {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let read = match node.get_ref() {
            DeValue::String(text) => units::parse_duration(text),
            DeValue::Integer(number) if number.radix() == 10 => {
                units::parse_duration(number.as_str()).and_then(|zero| {
                    let help = format!("write \"{}s\"", zero.as_secs());
                    Err(BadUnit { message: "a duration is a string with a unit".into(), help })
                })
            }
            DeValue::Float(number) => units::parse_duration(number.as_str()),
            _ => {
                reader.wrong_type(path, node, "a duration", "\"10s\"");
                return None;
            }
        };
        or_say(reader, node, Code::BadDuration, read)
    }
}

/// A duration, for editors.
pub struct DurationText;
described!(DurationText, "Duration", { "type": "string", "examples": ["250ms", "10s", "1h30m"] });

/// A shorter span would only make files.
const LEAST_SPAN: Duration = Duration::from_secs(60);

impl Value for RotateEvery {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        match &*reader.string(path, node)? {
            "hourly" => Some(Self::Hourly),
            "daily" => Some(Self::Daily),
            text => {
                let help = "write \"hourly\", \"daily\", or a time of a minute or more, such as \"6h\"".to_owned();
                let read = units::parse_duration(text).ok().filter(|span| *span >= LEAST_SPAN);
                let message = format!("`{}` is not {}", shown(path), clipped(text));
                or_say(reader, node, Code::BadValue, read.map(Self::Span).ok_or(BadUnit { message, help }))
            }
        }
    }
}

/// When a log is rotated, for editors.
pub struct RotateText;
described!(RotateText, "Rotate", { "type": "string", "examples": ["hourly", "daily", "6h"] });

/// `read`, or its error told.
pub(super) fn or_say<T>(reader: &mut Reader<'_>, node: &Node<'_>, code: Code, read: Result<T, BadUnit>) -> Option<T> {
    read.map_err(|bad| reader.wrong(node.span(), code, bad.message, bad.help)).ok()
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Value for Size {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::String(text) => {
                let read = units::parse_size(text);
                or_say(reader, node, Code::BadSize, read).map(Self)
            }
            DeValue::Integer(_) => integer(reader, path, node, 0..=u64::MAX).map(Self),
            _ => {
                reader.wrong_type(path, node, "a size", "\"10MiB\"");
                None
            }
        }
    }
}

described!(Size, "Size", { "type": ["string", "integer"], "examples": ["10MiB", "1GB", "512"] });

/// A command: the words as given, or a line split into them as a shell would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Program and arguments.
    pub words: Vec<String>,
    /// The line that they were split from.
    pub line: Option<String>,
}

impl Value for CommandLine {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let like = "[\"/usr/bin/web\", \"--port\", \"8080\"] or \"/usr/bin/web --port 8080\"";
        match node.get_ref() {
            DeValue::String(_) => {
                let text = reader.string(path, node)?;
                let words = shell_words::split(&text).map_err(|_| BadUnit {
                    message: "the command has a quote that is not closed".to_owned(),
                    help: "close it, or write the command as a list of words".to_owned(),
                });
                let words = or_say(reader, node, Code::BadValue, words)?;
                Some(Self { words, line: Some(text) })
            }
            DeValue::Array(_) => Some(Self { words: reader.strings(path, node, like)?, line: None }),
            _ => {
                reader.wrong_type(path, node, "a list of words or a string", like);
                None
            }
        }
    }
}

described!(CommandLine, "Command", {
    "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
});

/// No service is in more groups than this.
const MANY: usize = 256;

/// A user or group: a name, or a number as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account(pub String);

impl Value for Account {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = match node.get_ref() {
            DeValue::String(_) => reader.string(path, node)?,
            DeValue::Integer(_) => integer(reader, path, node, 0..=u64::from(u32::MAX - 1))?.to_string(),
            _ => {
                reader.wrong_type(path, node, "a name or a number", "\"www-data\"");
                return None;
            }
        };
        if text.is_empty() {
            reader.wrong(node.span(), Code::BadValue, "the name is empty", "write a name, or remove the key");
            return None;
        }
        Some(Self(text))
    }
}

described!(Account, "Account", { "type": ["string", "integer"] });

impl Value for Vec<Account> {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let DeValue::Array(array) = node.get_ref() else {
            reader.wrong_type(path, node, "a list of names", "[\"adm\", \"ssl-cert\"]");
            return None;
        };
        if array.len() > MANY {
            let message = format!("{} groups are more than {MANY}", array.len());
            reader.wrong(node.span(), Code::BadValue, message, "name fewer groups");
            return None;
        }
        let read = |(index, element): (usize, &Node<'_>)| {
            let path = format!("{path}.{index}");
            reader.place(&path, element.span());
            Account::read(reader, &path, element)
        };
        let accounts: Vec<Option<Account>> = array.iter().enumerate().map(read).collect();
        accounts.into_iter().collect()
    }
}

/// A file mode creation mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask(pub u32);

impl Value for Mask {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let DeValue::String(text) = node.get_ref() else {
            reader.wrong_type(path, node, "an octal number in quotes", "\"0027\"");
            return None;
        };
        let octal = !text.is_empty() && text.chars().all(|c| c.is_digit(8));
        let mask = u32::from_str_radix(text, 8).ok().filter(|mask| octal && *mask <= 0o777);
        if mask.is_none() {
            let message = format!("`{}` is no octal number up to 0777", clipped(text));
            reader.wrong(node.span(), Code::BadValue, message, "write it like \"0027\"");
        }
        mask.map(Self)
    }
}

described!(Mask, "Mask", { "type": "string", "pattern": "^0*[0-7]{1,3}$" });

impl Value for Signal {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = match node.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            _ => {
                reader.wrong_type(path, node, "a signal", "\"TERM\"");
                return None;
            }
        };
        let signal = text.parse().ok();
        if signal.is_none() {
            let bare = text.to_ascii_uppercase();
            let help = match nearest(bare.strip_prefix("SIG").unwrap_or(&bare), Self::names()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write a signal's name, such as \"TERM\", \"INT\" or \"QUIT\"".to_owned(),
            };
            reader.wrong(node.span(), Code::BadValue, format!("`{}` is no signal", clipped(&text)), help);
        }
        signal
    }
}

/// A signal, for editors.
pub struct SignalText;
described!(SignalText, "Signal", { "type": ["string", "integer"], "examples": ["TERM", "INT", "QUIT", "HUP"] });

/// Declares a choice among words.
macro_rules! choice {
    ($type:ty, $($word:literal => $variant:path),+) => {
        impl $crate::source::toml::reader::Value for $type {
            fn read(
                reader: &mut $crate::source::toml::reader::Reader<'_>,
                path: &str,
                node: &$crate::source::toml::reader::Node<'_>,
            ) -> Option<Self> {
                match &*reader.string(path, node)? {
                    $($word => Some($variant),)+
                    other => {
                        $crate::source::toml::values::no_choice(reader, path, node, other, <Self as Words>::WORDS);
                        None
                    }
                }
            }
        }

        impl Words for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];
        }
    };
}
pub(crate) use choice;

/// Says that `word` is none of `words`.
pub(crate) fn no_choice(reader: &mut Reader<'_>, path: &str, node: &Node<'_>, word: &str, words: &[&str]) {
    let help = match nearest(word, words) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("write one of: \"{}\"", words.join("\", \"")),
    };
    let key = path.rsplit('.').next().unwrap_or(path);
    reader.wrong(node.span(), Code::BadValue, format!("`{}` is no value of `{key}`", clipped(word)), help);
}

/// A choice among words.
pub trait Words {
    /// All of them.
    const WORDS: &'static [&'static str];
}

choice!(RestartWhen,
    "always" => RestartWhen::Always, "on-failure" => RestartWhen::OnFailure, "never" => RestartWhen::Never);
choice!(
    LogFormat,
    "text" => LogFormat::Text,
    "json" => LogFormat::Json,
    "tai64n" => LogFormat::Tai64n,
    "plain" => LogFormat::Plain,
    "multilog" => LogFormat::Multilog
);
choice!(
    StderrTo,
    "merge" => StderrTo::Merge,
    "separate" => StderrTo::Separate,
    "discard" => StderrTo::Discard
);
choice!(Compress, "zstd" => Compress::Zstd, "gzip" => Compress::Gzip, "none" => Compress::None);
choice!(Ansi, "keep" => Ansi::Keep, "strip" => Ansi::Strip);
choice!(OnFull, "drop" => OnFull::Drop, "block" => OnFull::Block);
choice!(StopScope, "tree" => StopScope::Tree, "group" => StopScope::Group, "process" => StopScope::Process);

/// A choice among words, for editors.
pub struct ChoiceOf<T>(std::marker::PhantomData<T>);

impl<T: Words> JsonSchema for ChoiceOf<T> {
    fn schema_name() -> Cow<'static, str> {
        "Choice".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": T::WORDS })
    }
}
