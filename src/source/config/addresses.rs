//! Where the doors listen, and names of hosts.

use crate::model::diagnostic::Code;
use crate::source::toml::reader::{Node, Reader, Value, clipped};
use crate::source::toml::values::{described, integer};
use ::toml::de::DeValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// No more addresses than this.
const MOST: usize = 16;

/// Addresses to listen at, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(pub Vec<SocketAddr>);

impl Value for Listen {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        let single = std::slice::from_ref(node);
        let nodes: &[Node<'_>] = match node.get_ref() {
            DeValue::Array(array) if array.len() <= MOST => array,
            DeValue::Array(array) => {
                let message = format!("{} addresses are more than {MOST}", array.len());
                reader.wrong(node.span(), Code::BadValue, message, "name fewer");
                return None;
            }
            _ => single,
        };
        let read: Vec<Option<SocketAddr>> = nodes.iter().map(|node| one(reader, path, node)).collect();
        let mut addresses: Vec<SocketAddr> = read.into_iter().collect::<Option<_>>()?;
        addresses.sort_unstable();
        addresses.dedup();
        Some(Self(addresses))
    }
}

described!(Listen, "Listen", {
    "anyOf": [
        { "type": "string", "examples": ["127.0.0.1:9700", "[::1]:9700"] },
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        { "type": "array", "items": { "type": ["string", "integer"] } }
    ]
});

fn one(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<SocketAddr> {
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    match node.get_ref() {
        DeValue::Integer(_) => integer(reader, path, node, 1..=65535).map(|port| loopback(port as u16)),
        DeValue::String(text) => {
            let address = parse(text);
            if let Err(help) = &address {
                let message = format!("\"{}\" is no address to listen at", clipped(text));
                reader.wrong(node.span(), Code::BadValue, message, *help);
            }
            address.ok()
        }
        _ => {
            reader.wrong_type(path, node, "an address", "\"127.0.0.1:9700\"");
            None
        }
    }
}

/// An address with its port; what to do where it is none.
fn parse(text: &str) -> Result<SocketAddr, &'static str> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = port.parse::<u16>().ok().filter(|port| digits && *port > 0) else {
        return Err("write an address and a port from 1 to 65535, such as \"127.0.0.1:9700\"");
    };
    let ip = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse().map(IpAddr::V6).ok(),
        None if host.eq_ignore_ascii_case("localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        None if host.contains(':') => return Err("put an IPv6 address in brackets: \"[::1]:9700\""),
        None => host.parse().map(IpAddr::V4).ok(),
    };
    let ip =
        ip.ok_or("write the address as a number, such as \"127.0.0.1:9700\"; \"0.0.0.0:9700\" is every address")?;
    Ok(SocketAddr::new(ip, port))
}

/// Whether a host can have that name (RFC 1123).
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_port_alone_is_of_the_loopback() {
        for (text, expected) in [
            ("9700", "127.0.0.1:9700"),
            ("localhost:9700", "127.0.0.1:9700"),
            ("[::1]:9700", "[::1]:9700"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ] {
            assert_eq!(parse(text).map(|address| address.to_string()).as_deref(), Ok(expected));
        }
        for text in ["", ":", "0", "127.0.0.1", "::1:9700", "[::1]", "example.org:80", "127.0.0.1:+80", "1.2.3.4:65536"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_hosts_have_no_scheme_and_no_port() {
        for good in ["localhost", "abide.example.org", "a-1.b"] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in ["", ".", "a..b", "https://a", "a:80", "-a", "a b", "ü.de"] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_read_as_it_is_written(ip in any::<IpAddr>(), port in 1_u16..) {
            let address = SocketAddr::new(ip, port);
            prop_assert_eq!(parse(&address.to_string()), Ok(address));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = (parse(&text), is_host_name(&text));
        }
    }
}
