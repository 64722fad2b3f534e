//! Single values of the tables of the doors: how each is written, read and described to editors.

use crate::model::access::Right;
use crate::model::diagnostic::Code;
use crate::model::selector::NamePattern;
use crate::source::toml::reader::{Node, Reader, Value, clipped};
use crate::source::toml::values::{Words, choice, described};
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// No more tables than this in one list.
const MOST_TABLES: usize = 1_000;
/// No more patterns than this in one list.
const MOST_PATTERNS: usize = 256;

/// Tables of one name: `[[name]]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableList<T>(pub Vec<T>);

impl<T: Value> Value for TableList<T> {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let DeValue::Array(array) = node.get_ref() else {
            reader.wrong_type(path, node, "a list of tables", &format!("[[{path}]]"));
            return None;
        };
        if array.len() > MOST_TABLES {
            let message = format!("{} tables `[[{path}]]` are more than {MOST_TABLES}", array.len());
            reader.wrong(node.span(), Code::BadValue, message, "write fewer");
            return None;
        }
        let read = |(index, element): (usize, &Node<'_>)| {
            let path = format!("{path}.{index}");
            reader.place(&path, element.span());
            T::read(reader, &path, element)
        };
        let tables: Vec<Option<T>> = array.iter().enumerate().map(read).collect();
        tables.into_iter().collect::<Option<Vec<T>>>().map(Self)
    }
}

/// Patterns of names of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(pub Vec<NamePattern>);

impl Value for Patterns {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let texts = reader.strings(path, node, "[\"web*\", \"db\"]")?;
        let spans = node.get_ref().as_array().into_iter().flatten().map(Node::span);
        if texts.is_empty() || texts.len() > MOST_PATTERNS {
            let (message, help) = match texts.len() {
                0 => ("no service is named".to_owned(), "name some, or remove the key: then it is all".to_owned()),
                many => (format!("{many} patterns are more than {MOST_PATTERNS}"), "name fewer".to_owned()),
            };
            reader.wrong(node.span(), Code::BadValue, message, help);
            return None;
        }
        let mut patterns = Vec::with_capacity(texts.len());
        for (text, span) in texts.iter().zip(spans) {
            let pattern = NamePattern::new(text).ok();
            if pattern.is_none() {
                let message = format!("\"{}\" can be no name of a service and no pattern of one", clipped(text));
                reader.wrong(span, Code::BadName, message, "write a name such as \"web\", or \"web*\"");
            }
            patterns.push(pattern);
        }
        patterns.into_iter().collect::<Option<Vec<_>>>().map(Self)
    }
}

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Value for Digest {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = reader.string(path, node)?;
        let digest = hex(&text);
        if digest.is_none() {
            // Who writes the token itself here shall not find it in the log.
            let message = format!("this is no SHA-256: {} characters, not 64 of hex", text.chars().count());
            reader.wrong(node.span(), Code::BadValue, message, "let `abide token NAME` make one");
        }
        digest.map(Self)
    }
}

described!(Digest, "Digest", { "type": "string", "pattern": "^[0-9a-fA-F]{64}$" });

fn hex(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    let mut digest = [0; 32];
    if bytes.len() != 2 * digest.len() {
        return None;
    }
    for (pair, byte) in bytes.chunks_exact(2).zip(&mut digest) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(digest)
}

/// What a rule can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMay {
    /// To look.
    Read,
    /// To act.
    Operate,
}

choice!(AccessMay, "read" => AccessMay::Read, "operate" => AccessMay::Operate);

impl From<AccessMay> for Right {
    fn from(may: AccessMay) -> Self {
        match may {
            AccessMay::Read => Self::Read,
            AccessMay::Operate => Self::Operate,
        }
    }
}

/// What a token can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenMay {
    /// To look.
    Read,
    /// Everything.
    Full,
}

choice!(TokenMay, "read" => TokenMay::Read, "full" => TokenMay::Full);

impl From<TokenMay> for Right {
    fn from(may: TokenMay) -> Self {
        match may {
            TokenMay::Read => Self::Read,
            TokenMay::Full => Self::All,
        }
    }
}
