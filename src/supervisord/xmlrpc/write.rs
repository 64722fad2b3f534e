//! Values to text.

use std::fmt::Write as _;

use super::{Value, is_allowed};

const DECLARATION: &str = "<?xml version='1.0'?>\n";

/// A request.
pub fn call(method: &str, params: &[Value]) -> String {
    let mut text = format!("{DECLARATION}<methodCall>\n<methodName>");
    escape(method, &mut text);
    text.push_str("</methodName>\n<params>\n");
    for param in params {
        write_param(param, &mut text);
    }
    text.push_str("</params>\n</methodCall>\n");
    text
}

/// An answer.
pub fn response(value: &Value) -> String {
    let mut text = format!("{DECLARATION}<methodResponse>\n<params>\n");
    write_param(value, &mut text);
    text.push_str("</params>\n</methodResponse>\n");
    text
}

/// An answer that is a fault.
pub fn fault(code: i32, string: &str) -> String {
    let members = vec![("faultCode".to_owned(), Value::Int(code)), ("faultString".to_owned(), string.into())];
    let mut text = format!("{DECLARATION}<methodResponse>\n<fault>\n");
    write_value(&Value::Struct(members), &mut text);
    text.push_str("\n</fault>\n</methodResponse>\n");
    text
}

fn write_param(value: &Value, out: &mut String) {
    out.push_str("<param>\n");
    write_value(value, out);
    out.push_str("\n</param>\n");
}

fn write_value(value: &Value, out: &mut String) {
    out.push_str("<value>");
    match value {
        Value::Int(int) => put(out, format_args!("<int>{int}</int>")),
        Value::Bool(bool) => put(out, format_args!("<boolean>{}</boolean>", u8::from(*bool))),
        Value::Double(double) => put(out, format_args!("<double>{double}</double>")),
        Value::Text(text) => element("string", text, out),
        Value::DateTime(text) => element("dateTime.iso8601", text, out),
        Value::Array(values) => {
            out.push_str("<array><data>");
            for value in values {
                write_value(value, out);
            }
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>");
            for (name, value) in members {
                out.push_str("<member>");
                element("name", name, out);
                write_value(value, out);
                out.push_str("</member>");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>");
}

fn element(name: &str, text: &str, out: &mut String) {
    put(out, format_args!("<{name}>"));
    escape(text, out);
    put(out, format_args!("</{name}>"));
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a String takes all");
}

/// Logs hold anything: what XML forbids becomes U+FFFD, or no client could read the answer.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // As itself a reader takes it for the end of a line.
            '\r' => out.push_str("&#13;"),
            c if is_allowed(c) => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
}
