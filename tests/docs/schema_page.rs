//! A JSON Schema as Markdown. Pure.

use serde_json::Value;
use std::fmt::Write as _;

/// A schema and where its named parts stand in it.
pub(crate) struct Schema {
    pub(crate) whole: Value,
    pub(crate) parts: &'static str,
}

impl Schema {
    /// The part of that name; the empty name is the root.
    fn part(&self, name: &str) -> &Value {
        if name.is_empty() { &self.whole } else { &self.whole[self.parts][name] }
    }

    /// The part that a property refers to, if it does.
    pub(crate) fn target(property: &Value) -> Option<&str> {
        let inner = &property["anyOf"][0];
        let reference = [property, inner, &property["items"]].into_iter().find_map(|it| it["$ref"].as_str());
        reference.and_then(|path| path.rsplit('/').next())
    }

    /// A property of the part.
    pub(crate) fn property(&self, part: &str, key: &str) -> &Value {
        &self.part(part)["properties"][key]
    }

    /// The paragraph of a part, on one line.
    pub(crate) fn about(&self, part: &str) -> String {
        paragraph(self.part(part))
    }

    /// The fields of a part as a table, or its words where it is a choice.
    pub(crate) fn table(&self, part: &str) -> String {
        let mut out = String::new();
        let schema = self.part(part);
        if let Some(fields) = schema["properties"].as_object() {
            out.push_str("| field | value | meaning |\n| --- | --- | --- |\n");
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for (name, field) in fields {
                let kind = Self::target(field).map_or_else(|| kind(field), |target| Self::linked(field, target));
                let kind = if required.contains(&name.as_str()) { kind } else { format!("{kind}, or left out") };
                let _ = writeln!(out, "| `{name}` | {kind} | {} |", paragraph(field));
            }
        } else if let Some(choices) = schema["oneOf"].as_array() {
            out.push_str("| word | meaning |\n| --- | --- |\n");
            for choice in choices {
                let words = choice["enum"].as_array().cloned().unwrap_or_else(|| vec![choice["const"].clone()]);
                for word in words {
                    let _ = writeln!(out, "| `{word}` | {} |", paragraph(choice));
                }
            }
        } else {
            let _ = writeln!(out, "{}", capital(&kind(schema)));
        }
        out
    }

    fn linked(field: &Value, target: &str) -> String {
        let list = if field["type"] == "array" { "list of " } else { "" };
        format!("{list}[{target}](#{})", target.to_lowercase())
    }

    /// The names of all parts that are reached from the root, in the order of reading.
    pub(crate) fn reached(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut next = 0;
        let mut part = String::new();
        loop {
            for field in self.part(&part)["properties"].as_object().into_iter().flat_map(|fields| fields.values()) {
                if let Some(target) = Self::target(field).filter(|target| !found.iter().any(|it| it == target)) {
                    found.push(target.to_owned());
                }
            }
            let Some(name) = found.get(next) else { return found };
            part.clone_from(name);
            next += 1;
        }
    }
}

/// The description of a schema on one line.
pub(crate) fn paragraph(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The paragraph without its sentence "Default: ...", and what that says.
pub(crate) fn paragraph_and_default(schema: &Value) -> (String, Option<String>) {
    let text = paragraph(schema);
    let Some((before, rest)) = text.split_once("Default: ") else { return (text, None) };
    let (default, after) = rest.split_once(". ").unwrap_or((rest.trim_end_matches('.'), ""));
    (format!("{before}{after}").trim().to_owned(), Some(default.to_owned()))
}

/// What may be written, in words.
pub(crate) fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let mut text = types.iter().map(|name| one_type(name, schema)).collect::<Vec<_>>().join(" or ");
    if let Some(examples) = schema["examples"].as_array() {
        let examples: Vec<String> = examples.iter().map(|example| format!("`{example}`")).collect();
        let _ = write!(text, ", such as {}", examples.join(", "));
    }
    if let (Some(low), Some(high)) = (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
        let _ = write!(text, ", {low} to {high}");
    }
    text
}

fn one_type(name: &str, schema: &Value) -> String {
    match name {
        "string" => "text".to_owned(),
        "integer" => "number".to_owned(),
        "number" => "number, also with a fraction".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => format!("list of {}", kind(&schema["items"])),
        "null" => "null".to_owned(),
        "object" => match schema["properties"].as_object() {
            Some(fields) => {
                format!("`{{ {} }}`", fields.keys().rev().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            None => "table of names and values".to_owned(),
        },
        other => other.to_owned(),
    }
}

pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
