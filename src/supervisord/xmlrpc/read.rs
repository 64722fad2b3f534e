//! Text to values.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use roxmltree::{Document, Node, ParsingOptions};

use super::{Bad, Call, Fault, MAX_ANSWER, MAX_DEPTH, MAX_NODES, MAX_REQUEST, Unanswered, Value, is_allowed};

/// No tag is longer, in bytes,
const LONGEST_TAG: usize = 256;
/// and no more elements than these have attributes.
const MOST_ATTRIBUTES: usize = 16;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The call that a request makes.
pub fn request(body: &[u8]) -> Result<Call, Bad> {
    let text = text_of(body, MAX_REQUEST)?;
    let document = parse(text)?;
    let root = root(&document, "methodCall")?;
    let method = content(child(root, "methodName")?)?.trim().to_owned();
    if method.is_empty() {
        return bad("<methodName> is empty");
    }
    let params = elements(root).find(|node| name(*node) == "params");
    let params = params.map_or_else(|| Ok(Vec::new()), |params| elements(params).map(param).collect())?;
    Ok(Call { method, params })
}

/// The value that an answer holds. What XML forbids is read as U+FFFD: there are servers that write it.
pub fn answer(body: &[u8]) -> Result<Value, Unanswered> {
    let text = cleaned(text_of(body, MAX_ANSWER)?);
    let document = parse(&text)?;
    let root = root(&document, "methodResponse")?;
    let Some(fault) = elements(root).find(|node| name(*node) == "fault") else {
        let mut params = elements(child(root, "params")?);
        return match (params.next(), params.next()) {
            (Some(only), None) => Ok(param(only)?),
            _ => Ok(bad("an answer has one <param>, this one has not")?),
        };
    };
    let fault = value(child(fault, "value")?, 0)?;
    let code = fault.field("faultCode").and_then(Value::int);
    let string = fault.field("faultString").and_then(Value::text);
    match (code, string) {
        (Some(code), Some(string)) => Err(Unanswered::Fault(Fault { code, text: string.to_owned() })),
        _ => Ok(bad("a <fault> has faultCode and faultString, this one has not")?),
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, Bad> {
    Err(Bad(why.into()))
}

fn text_of(body: &[u8], most: usize) -> Result<&str, Bad> {
    if body.len() > most {
        return bad(format!("the body has {} bytes, more than {most}", body.len()));
    }
    std::str::from_utf8(body).or_else(|_| bad("the body is not UTF-8"))
}

fn cleaned(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_allowed) {
        return text.into();
    }
    text.chars().map(|c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn parse(text: &str) -> Result<Document<'_>, Bad> {
    look_at_tags(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).or_else(|error| bad(format!("the body is not XML: {error}")))
}

/// XML-RPC has no attributes. A few do no harm; the time to compare many with one another grows with their square.
fn look_at_tags(text: &str) -> Result<(), Bad> {
    let (mut rest, mut with_attributes) = (text, 0);
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let passed_over = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
        if let Some((_, end)) = passed_over.iter().find(|(begin, _)| rest.starts_with(begin)) {
            let Some(at) = rest.find(end) else { return Ok(()) };
            rest = &rest[at + end.len()..];
            continue;
        }
        let tag = tag(rest);
        if tag.len() > LONGEST_TAG {
            return bad(format!("a tag is longer than {LONGEST_TAG} bytes"));
        }
        with_attributes += usize::from(tag.contains('='));
        if with_attributes > MOST_ATTRIBUTES {
            return bad(format!("more than {MOST_ATTRIBUTES} elements have attributes"));
        }
        rest = &rest[tag.len()..];
    }
    Ok(())
}

/// The tag that `text` begins with, as far as it goes.
fn tag(text: &str) -> &str {
    let mut quote = None;
    let end = text.bytes().position(|byte| {
        match quote {
            Some(open) if open == byte => quote = None,
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            _ => {}
        }
        quote.is_none() && byte == b'>'
    });
    &text[..end.map_or(text.len(), |end| end + 1)]
}

fn root<'a, 'b>(document: &'a Document<'b>, wanted: &str) -> Result<Node<'a, 'b>, Bad> {
    let root = document.root_element();
    if name(root) != wanted {
        return bad(format!("the body is a <{}>, not a <{wanted}>", name(root)));
    }
    Ok(root)
}

fn name<'a>(node: Node<'a, '_>) -> &'a str {
    node.tag_name().name()
}

fn elements<'a, 'b>(node: Node<'a, 'b>) -> impl Iterator<Item = Node<'a, 'b>> {
    node.children().filter(Node::is_element)
}

fn child<'a, 'b>(node: Node<'a, 'b>, wanted: &str) -> Result<Node<'a, 'b>, Bad> {
    let found = elements(node).find(|child| name(*child) == wanted);
    found.map_or_else(|| bad(format!("<{}> has no <{wanted}>", name(node))), Ok)
}

/// The text of an element that holds nothing else.
fn content(node: Node<'_, '_>) -> Result<String, Bad> {
    if let Some(inner) = elements(node).next() {
        return bad(format!("<{}> holds a <{}>", name(node), name(inner)));
    }
    Ok(node.children().filter_map(|child| if child.is_text() { child.text() } else { None }).collect())
}

fn param(node: Node<'_, '_>) -> Result<Value, Bad> {
    if name(node) != "param" {
        return bad(format!("<params> holds a <{}>", name(node)));
    }
    value(child(node, "value")?, 0)
}

fn value(node: Node<'_, '_>, depth: usize) -> Result<Value, Bad> {
    if depth > MAX_DEPTH {
        return bad(format!("values stand in one another more than {MAX_DEPTH} deep"));
    }
    let mut inner = elements(node);
    let (Some(typed), None) = (inner.next(), inner.next()) else {
        return content(node).map(Value::Text);
    };
    match name(typed) {
        "array" => array(typed, depth),
        "struct" => members(typed, depth),
        _ => scalar(typed),
    }
}

fn scalar(node: Node<'_, '_>) -> Result<Value, Bad> {
    let text = content(node)?;
    let short = text.trim();
    let read = match name(node) {
        "string" => return Ok(Value::Text(text)),
        "int" | "i4" => short.parse().ok().map(Value::Int),
        "boolean" if short == "0" => Some(Value::Bool(false)),
        "boolean" if short == "1" => Some(Value::Bool(true)),
        "boolean" => None,
        "double" => short.parse().ok().filter(|double: &f64| double.is_finite()).map(Value::Double),
        "dateTime.iso8601" => Some(Value::DateTime(short.to_owned())),
        "base64" => base64(&text).map(Value::Text),
        unknown => return bad(format!("<{unknown}> is no type of a value")),
    };
    read.map_or_else(|| bad(format!("{text:?} is no <{}>", name(node))), Ok)
}

fn base64(text: &str) -> Option<String> {
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = BASE64.decode(packed).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn array(node: Node<'_, '_>, depth: usize) -> Result<Value, Bad> {
    let values = elements(child(node, "data")?).map(|member| {
        if name(member) != "value" {
            return bad(format!("<data> holds a <{}>", name(member)));
        }
        value(member, depth + 1)
    });
    values.collect::<Result<_, _>>().map(Value::Array)
}

fn members(node: Node<'_, '_>, depth: usize) -> Result<Value, Bad> {
    let members = elements(node).map(|member| {
        if name(member) != "member" {
            return bad(format!("<struct> holds a <{}>", name(member)));
        }
        Ok((content(child(member, "name")?)?, value(child(member, "value")?, depth + 1)?))
    });
    members.collect::<Result<_, _>>().map(Value::Struct)
}
