//! Parameters of a call, taken for what the method needs.

use super::{Code, Fault};
use crate::supervisord::xmlrpc::Value;
use std::borrow::Cow;

/// The parameters. Their number was looked at before.
pub(super) struct Arguments<'a>(pub(super) &'a [Value]);

impl<'a> Arguments<'a> {
    /// A string; a number is taken for its digits.
    pub(super) fn text(&self, place: usize) -> Result<Cow<'a, str>, Fault> {
        match self.0.get(place) {
            Some(Value::Text(text)) => Ok(Cow::Borrowed(text)),
            Some(Value::Int(number)) => Ok(Cow::Owned(number.to_string())),
            _ => Err(wrong(place, "string")),
        }
    }

    /// A number; fractions are cut off.
    pub(super) fn int(&self, place: usize) -> Result<i64, Fault> {
        match self.0.get(place) {
            Some(Value::Int(number)) => Ok(i64::from(*number)),
            Some(Value::Bool(truth)) => Ok(i64::from(*truth)),
            Some(Value::Double(number)) if number.is_finite() => Ok(*number as i64),
            _ => Err(wrong(place, "int")),
        }
    }

    /// Whether to wait: yes if nothing is said. Anything that is neither zero nor empty is yes.
    pub(super) fn wait(&self, place: usize) -> bool {
        match self.0.get(place) {
            Some(Value::Bool(truth)) => *truth,
            Some(Value::Int(number)) => *number != 0,
            Some(Value::Double(number)) => *number != 0.0,
            Some(Value::Text(text)) => !text.is_empty(),
            Some(Value::Array(values)) => !values.is_empty(),
            Some(Value::Struct(members)) => !members.is_empty(),
            Some(Value::DateTime(_)) | None => true,
        }
    }

    /// Any value as text.
    pub(super) fn shown(&self, place: usize) -> String {
        self.0.get(place).map(shown).unwrap_or_default()
    }
}

/// A value as Python would show it.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::DateTime(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(values) => format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        Value::Struct(members) => {
            let members = members.iter().map(|(name, value)| format!("'{name}': {}", quoted(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("'{text}'"),
        other => shown(other),
    }
}

fn wrong(place: usize, kind: &str) -> Fault {
    Code::IncorrectParameters.about(format!("parameter {} has to be of type {kind}", place + 1))
}
