//! `[security]`.

use crate::model::capability;
use crate::model::diagnostic::Code;
use crate::source::toml::reader::{Node, Reader, Value, clipped, nearest};
use crate::source::toml::table::table;
use crate::source::toml::values::described;
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

table! {
    /// What a service's processes may do, and what they see of the machine. What needs a right that abide does not
    /// have is an error before the start. Namespaces are made anew at each start, and only those that a key needs; what
    /// runs beside its process (checks, `[start] after`, `[stop]` and `[reload] command`) is within them, what runs before and
    /// after that has some of its own. Mounts need Linux 5.2, with `chroot` 5.6.
    Security {
        /// Whether no program that it executes gains rights, by its set-uid bit or file capabilities. Default: false.
        no_new_privileges: bool,
        /// All capabilities that its processes can ever have (the bounding set), by name, such as
        /// `["NET_BIND_SERVICE"]`; `[]` for none. Default: those that abide has.
        capabilities: CapabilitySet,
        /// Capabilities that it has although its user is not root; each of `capabilities`, if that is given. Default:
        /// those of abide itself, as a rule none.
        ambient_capabilities: CapabilitySet,
        /// The directory that is the root of its file system, absolute; `${VAR}` is expanded. `directory` (then by
        /// default `/`), the program, `stdin` and the paths below are those within it.
        chroot: String,
        /// Whether it has a `/tmp` and `/var/tmp` of its own: in memory, empty at each start. Default: false.
        private_tmp: bool,
        /// Paths that it cannot write to, with all that is mounted below them (Linux 5.12). `${VAR}` is expanded.
        read_only_paths: Vec<String>,
        /// Paths that it cannot look into: a directory appears empty, a file as `/dev/null`. `${VAR}` is expanded.
        inaccessible_paths: Vec<String>,
        /// Whether it has a network of its own, with nothing but a loopback. Default: false.
        private_network: bool,
        /// A host name of its own; `${VAR}` is expanded.
        hostname: String,
    }
    later &[]
}

/// Capabilities: bit n is capability n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapabilitySet(pub u64);

impl Value for CapabilitySet {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let names = reader.strings(path, node, "[\"NET_BIND_SERVICE\"]")?;
        let DeValue::Array(elements) = node.get_ref() else { return None };
        let mut mask = Some(0);
        for (name, element) in names.iter().zip(elements) {
            let Some(number) = capability::number(name) else {
                let help = match nearest(&capability::bare(name), &capability::NAMES) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "write a name of capabilities(7), such as \"NET_BIND_SERVICE\"".to_owned(),
                };
                let message = format!("`{}` is no capability", clipped(name));
                reader.wrong(element.span(), Code::BadValue, message, help);
                mask = None;
                continue;
            };
            mask = mask.map(|mask| mask | 1 << number);
        }
        mask.map(Self)
    }
}

described!(CapabilitySet, "Capabilities", {
    "type": "array", "items": { "type": "string", "examples": ["NET_BIND_SERVICE"] }
});

/// The standard input of a service; `None`: `/dev/null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input(pub Option<String>);

impl Value for Input {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let text = reader.string(path, node)?;
        if text == "null" {
            return Some(Self(None));
        }
        if let Some(file) = text.strip_prefix("file:").filter(|file| !file.is_empty()) {
            return Some(Self(Some(file.to_owned())));
        }
        let help = if text.starts_with('/') {
            format!("did you mean \"file:{}\"?", clipped(&text))
        } else {
            "write \"null\", or \"file:\" and an absolute path".to_owned()
        };
        reader.wrong(node.span(), Code::BadValue, format!("`{}` is no value of `{path}`", clipped(&text)), help);
        None
    }
}

described!(Input, "Input", { "type": "string", "pattern": "^(null|file:.+)$", "examples": ["null", "file:/srv/jobs"] });
