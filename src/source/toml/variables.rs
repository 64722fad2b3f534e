//! The values that speak of environment variables.

use super::reader::{Node, Reader, Value, clipped, type_name};
use super::values::described;
use crate::model::diagnostic::Code;
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// `environment`: texts by name; numbers and booleans are taken as their text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(pub BTreeMap<String, String>);

impl Value for Variables {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let DeValue::Table(table) = node.get_ref() else {
            reader.wrong_type(path, node, "a table", "{ NAME = \"value\" }");
            return None;
        };
        let mut variables = BTreeMap::new();
        for (name, node) in table {
            let variable = name.get_ref().as_ref();
            let path = format!("{path}.{variable}");
            reader.place(&path, node.span());
            if let Some((message, help)) = bad_variable(variable) {
                reader.wrong(name.span(), Code::BadValue, message, help);
            } else if let Some(text) = scalar(reader, &path, node) {
                variables.insert(variable.to_owned(), text);
            }
        }
        Some(Self(variables))
    }

    fn over(mut self, under: Self) -> Self {
        for (name, value) in under.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }
}

described!(Variables, "Environment", {
    "type": "object", "additionalProperties": { "type": ["string", "integer", "number", "boolean"] }
});

/// Why `name` cannot be set by a file, and what to do.
pub fn bad_variable(name: &str) -> Option<(String, &'static str)> {
    if name.is_empty() || name.chars().any(|c| c == '=' || c.is_whitespace() || c.is_control()) {
        return Some((format!("`{}` is no variable name", clipped(name)), "write a name of letters, digits and `_`"));
    }
    name.starts_with("ABIDE_").then(|| (format!("`{}` is set by abide itself", clipped(name)), "choose another name"))
}

/// A string, number or boolean as text.
fn scalar(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<String> {
    match node.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::String(_) => reader.string(path, node),
        other => {
            let message = format!("a variable holds text, this is {}", type_name(other));
            reader.wrong(node.span(), Code::WrongType, message, "put it in quotes");
            None
        }
    }
}

/// What of abide's own environment a service gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inherit {
    /// All of it.
    All,
    /// None of it.
    Nothing,
    /// These variables, where they are set.
    Names(Vec<String>),
}

impl Value for Inherit {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(true) => Some(Self::All),
            DeValue::Boolean(false) => Some(Self::Nothing),
            DeValue::Array(_) => reader.strings(path, node, "[\"TZ\"]").map(Self::Names),
            _ => {
                reader.wrong_type(path, node, "true, false or a list of names", "[\"TZ\", \"HTTP_PROXY\"]");
                None
            }
        }
    }
}

described!(Inherit, "Inherit", { "anyOf": [{ "type": "boolean" }, { "type": "array", "items": { "type": "string" } }] });
