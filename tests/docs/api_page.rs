//! The page of the HTTP API, made from its OpenAPI document.

use crate::schema_page::{Schema, kind, paragraph};
use serde_json::Value;
use std::fmt::Write as _;

/// The page, without its first line.
pub(crate) fn page() -> String {
    let document = abide::api::openapi::document();
    let mut out = format!("\n# The HTTP API\n\n{}\n", paragraph(&document["info"]));
    out.push_str(
        "\nFor programs: `GET /v1/openapi.json`, an OpenAPI 3.1 document.\n\n| route | what it does |\n| --- | --- |\n",
    );
    for (method, path, operation) in operations(&document) {
        let title = operation["summary"].as_str().unwrap_or_default();
        let anchor: String = format!("{method} {path}").to_lowercase().chars().filter_map(anchored).collect();
        let _ = writeln!(out, "| [`{method} {path}`](#{anchor}) | {title} |");
    }
    for (method, path, operation) in operations(&document) {
        let _ = writeln!(out, "\n## `{method} {path}`\n\n{}", paragraph(operation));
        takes(&mut out, &document, operation);
        gives(&mut out, operation);
        let example = &operation["x-example"];
        let request = example["path"].as_str().unwrap_or_default();
        let body = example["body"].as_str().map_or_else(String::new, |body| format!(" -d '{body}'"));
        let post = if method == "POST" { " -X POST" } else { "" };
        let socket = "--unix-socket /run/abide/control.sock";
        let _ = writeln!(out, "\n    curl {socket}{post}{body} 'http://abide{request}'");
    }
    out.push_str("\n## What answers are made of\n");
    let schemas = Schema { whole: document["components"].clone(), parts: "schemas" };
    let names = document["components"]["schemas"].as_object().expect("there are some").keys();
    for name in names {
        let made = &document["components"]["schemas"][name];
        let mut table = schemas.table(name);
        if made["oneOf"][0]["properties"].is_object() {
            let common = if made["properties"].is_object() { table + "\n" } else { String::new() };
            table = common + &kinds(made);
        }
        let _ = writeln!(out, "\n### {name}\n\n{}\n\n{}", schemas.about(name), table.trim_end());
    }
    out
}

/// Method, path and operation, in the order of the document.
fn operations(document: &Value) -> impl Iterator<Item = (String, &String, &Value)> {
    let paths = document["paths"].as_object().expect("there are some");
    paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("each has some");
        methods.iter().map(move |(method, operation)| (method.to_uppercase(), path, operation))
    })
}

/// As the heading of an operation is linked to.
fn anchored(c: char) -> Option<char> {
    match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    }
}

fn takes(out: &mut String, document: &Value, operation: &Value) {
    let mut rows = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let place = parameter["in"].as_str().unwrap_or_default();
        let value = if place == "path" { "text".to_owned() } else { words(document, &parameter["schema"]) };
        let optional = if parameter["required"] == true { "" } else { ", or left out" };
        let name = parameter["name"].as_str().unwrap_or_default();
        rows.push(format!("| `{name}` | {place} | {value}{optional} | {} |", paragraph(parameter)));
    }
    let body = target(&operation["requestBody"]["content"]["application/json"]["schema"]);
    let body = body.map(|name| &document["components"]["schemas"][name]);
    let required = |name: &str| {
        body.and_then(|body| body["required"].as_array()).is_some_and(|names| names.iter().any(|it| it == name))
    };
    for (name, field) in body.and_then(|body| body["properties"].as_object()).into_iter().flatten() {
        let optional = if required(name) { "" } else { ", or left out" };
        rows.push(format!("| `{name}` | body | text{optional} | {} |", paragraph(field)));
    }
    if !rows.is_empty() {
        let _ = writeln!(out, "\n| what | where | value | meaning |\n| --- | --- | --- | --- |\n{}", rows.join("\n"));
    }
}

/// What may be written; words, where it is one of some.
fn words(document: &Value, schema: &Value) -> String {
    let named = target(schema).map(|name| &document["components"]["schemas"][name]);
    let choices = named.and_then(|schema| schema["oneOf"].as_array());
    let words =
        choices.into_iter().flatten().map(|choice| format!("`{}`", choice["const"].as_str().unwrap_or_default()));
    let words: Vec<String> = words.collect();
    if words.is_empty() { kind(named.unwrap_or(schema)) } else { words.join(" or ") }
}

fn gives(out: &mut String, operation: &Value) {
    let good = operation["responses"]["200"]["content"].as_object().expect("each has a good answer");
    for (media, content) in good {
        let (schema, of) = match &content["x-data"] {
            Value::Null => (&content["schema"], ""),
            data => (data, "; `data` is "),
        };
        let made = target(schema).map_or_else(String::new, |name| {
            let of = if of.is_empty() { ", " } else { of };
            format!("{of}[{name}](#{})", name.to_lowercase())
        });
        let _ = writeln!(out, "\n- Answer: `{media}`{made}.");
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if status != "200" && status != "default" && status != "400" {
            let _ = writeln!(out, "- `{status}`: {}", paragraph(response));
        }
    }
}

/// One that has other fields for each of its kinds.
fn kinds(schema: &Value) -> String {
    let mut out = String::from("| kind | fields | meaning |\n| --- | --- | --- |\n");
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        let fields = one["properties"].as_object().cloned().unwrap_or_default();
        let kind = fields.values().find_map(|field| field["const"].as_str()).or(one["const"].as_str());
        let kind = kind.unwrap_or_default();
        let others = fields.iter().filter(|(_, field)| field["const"].is_null());
        let names: Vec<String> = others.map(|(name, _)| format!("`{name}`")).collect();
        let _ = writeln!(out, "| `{kind}` | {} | {} |", names.join(", "), paragraph(one));
    }
    out
}

fn target(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str().and_then(|path| path.rsplit('/').next())
}
