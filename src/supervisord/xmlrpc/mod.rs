//! XML-RPC: text to values, and values to text. Pure.
//!
//! Read by roxmltree and a walk of our own: it is one crate where a codec is thirteen, it refuses a DTD, it bounds the
//! nodes, and the depth is ours to bound.

mod read;
mod write;
#[cfg(test)]
mod tests;

pub use read::{answer, request};
pub use write::{call, fault, response};

use std::fmt;

/// The longest request that is read, in bytes.
pub const MAX_REQUEST: usize = 1 << 20;
/// The longest answer that is read, in bytes: logs travel in answers.
pub const MAX_ANSWER: usize = 256 << 20;
/// How deep arrays and structs may stand in one another.
pub const MAX_DEPTH: usize = 32;
/// How many elements and pieces of text a body may have.
pub const MAX_NODES: u32 = 1_000_000;

/// A value of XML-RPC. `base64` is read as text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `int` or `i4`.
    Int(i32),
    /// `boolean`.
    Bool(bool),
    /// `string`, `base64`, or a value without a type.
    Text(String),
    /// `double`.
    Double(f64),
    /// `dateTime.iso8601`, as it is written.
    DateTime(String),
    /// `array`.
    Array(Vec<Value>),
    /// `struct`, its members in order.
    Struct(Vec<(String, Value)>),
}

impl Value {
    /// A text.
    pub fn string(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number; at most what 32 bits hold.
    pub fn number(number: impl TryInto<i64>) -> Self {
        let wide = number.try_into().unwrap_or(i64::MAX);
        Self::Int(wide.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
    }

    /// A struct of these members.
    pub fn members<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// About how many bytes it takes.
    pub fn weight(&self) -> usize {
        const LEAST: usize = 32;
        LEAST
            + match self {
                Self::Text(text) | Self::DateTime(text) => text.len(),
                Self::Array(values) => values.iter().map(Self::weight).sum(),
                Self::Struct(members) => members.iter().map(|(name, value)| name.len() + value.weight()).sum(),
                Self::Int(_) | Self::Bool(_) | Self::Double(_) => 0,
            }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn int(&self) -> Option<i32> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// The members, if it is an array.
    pub fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The member `name`, if it is a struct that has it. Of two of that name it is the later one.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(members) => members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The method, such as `supervisor.getState`.
    pub method: String,
    /// The arguments, in order.
    pub params: Vec<Value>,
}

/// A fault: the answer of a server that did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The number.
    pub code: i32,
    /// The name, and the detail if there is one.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault {}: {}", self.code, self.text)
    }
}

/// Why a body is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad(pub String);

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Bad {}

/// Why an answer holds no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The server says so.
    Fault(Fault),
    /// The body is not understood.
    Bad(Bad),
}

impl From<Bad> for Unanswered {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

/// Whether XML 1.0 allows the character.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
