//! Names of services as values of a service file.

use super::reader::{Node, Reader, Value, clipped};
use crate::model::diagnostic::Code;
use crate::model::name::ServiceName;
use schemars::JsonSchema;
use std::ops::Range;

/// The longest list of names: each is kept with its place, for as long as its file stands.
const MAX_NAMES: usize = 256;

/// A list of services by name.
#[derive(Debug, Clone, Default, PartialEq, JsonSchema)]
#[schemars(with = "Vec<String>", inline)]
pub struct Names(pub Vec<ServiceName>);

impl Value for Names {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let texts = reader.strings(path, node, "[\"db\", \"cache\"]")?;
        if texts.len() > MAX_NAMES {
            let message = format!("`{path}` names {} services, more than {MAX_NAMES}", texts.len());
            reader.wrong(node.span(), Code::BadValue, message, "name fewer");
            return None;
        }
        let spans: Vec<_> = node.get_ref().as_array().into_iter().flatten().map(Node::span).collect();
        let names: Vec<_> =
            texts.iter().zip(spans).filter_map(|(text, span)| legal(reader, path, text, span)).collect();
        (names.len() == texts.len()).then_some(Self(names))
    }
}

impl Value for ServiceName {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = reader.string(path, node)?;
        legal(reader, path, &text, node.span())
    }
}

fn legal(reader: &mut Reader<'_>, path: &str, text: &str, span: Range<usize>) -> Option<ServiceName> {
    match ServiceName::new(text) {
        Ok(name) => Some(name),
        Err(error) => {
            let message = format!("`{path}` names \"{}\", which can be no service: {error}", clipped(text));
            reader.wrong(span, Code::BadName, message, "write the name of its file, without `.toml`");
            None
        }
    }
}
