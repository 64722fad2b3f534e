//! Where a `tcp` or `http` check asks: one place says what is a legal address, and how it is understood.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Something to connect to, and for http what to ask there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Who.
    pub host: Host,
    /// 1 to 65,535.
    pub port: u16,
    /// For http: path and query, from `/` on. Empty for tcp.
    pub path: String,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Address(IpAddr),
    /// By a name, which has to be looked up.
    Name(String),
}

impl Endpoint {
    /// Reads `host:port`; or why it is none, for people.
    pub fn tcp(text: &str) -> Result<Self, String> {
        let (host, port) = split(text)?;
        let port = port.ok_or_else(|| format!("`{text}` has no port: write it as HOST:PORT"))?;
        Ok(Self { host: host_of(host)?, port: port_of(port)?, path: String::new() })
    }

    /// Reads `http://host:port/path`; or why it is none, for people.
    pub fn http(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(
                    "https is not asked by abide: name an http:// address that the service answers on".to_owned()
                );
            }
            _ => return Err(format!("`{text}` does not begin with http://")),
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path = path.split('#').next().unwrap_or_default();
        if let Some(bad) = path.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!("{bad:?} stands in the path: write it as %XX"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if authority.contains('@') {
            return Err("a user in the address is not supported".to_owned());
        }
        let (host, port) = split(authority)?;
        let port = port.map_or(Ok(80), port_of)?;
        Ok(Self { host: host_of(host)?, port, path })
    }
}

/// `HOST:PORT`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Host and port, the host without the brackets of an IPv6 address.
fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| format!("`{text}` has a `[` without `]`"))?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(format!("`{rest}` stands behind the `]` of `{text}`")),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err(format!("`{text}` has more than one colon: write an IPv6 address as [ADDRESS]:PORT"))
        }
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn port_of(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| format!("`{text}` is no port: write a number from 1 to 65535"))
}

fn host_of(text: &str) -> Result<Host, String> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(Host::Address(address.into()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() {
        Err("the host is missing: write 127.0.0.1 for this machine".to_owned())
    } else if text.len() > 253 || !text.chars().all(legal) {
        Err(format!("`{text}` is neither a name nor an address of a machine"))
    } else {
        Ok(Host::Name(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(name: &str, port: u16, path: &str) -> Endpoint {
        Endpoint { host: Host::Name(name.into()), port, path: path.into() }
    }

    #[test]
    fn addresses_and_names_are_told_apart() {
        assert_eq!(Endpoint::tcp("localhost:80"), Ok(name("localhost", 80, "")));
        let v6 = Endpoint::tcp("[::1]:6379").unwrap();
        assert_eq!(v6.host, Host::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(v6.to_string(), "[::1]:6379");
        assert_eq!(Endpoint::tcp("127.0.0.1:1").unwrap().host, Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn urls_have_a_path_and_the_usual_port() {
        assert_eq!(Endpoint::http("http://web"), Ok(name("web", 80, "/")));
        assert_eq!(Endpoint::http("HTTP://web:8080/health?deep=1#x"), Ok(name("web", 8080, "/health?deep=1")));
        assert_eq!(Endpoint::http("http://web?x"), Ok(name("web", 80, "/?x")));
    }

    #[test]
    fn mistakes_are_told_in_words() {
        for (text, word) in [
            ("localhost", "no port"),
            (":80", "host is missing"),
            ("a:0", "no port: write a number"),
            ("a:65536", "no port: write a number"),
            ("a:+1", "no port: write a number"),
            ("::1:80", "[ADDRESS]:PORT"),
            ("[::1", "without `]`"),
            ("[::1]80", "behind the `]`"),
            ("a b:80", "neither a name"),
        ] {
            assert!(Endpoint::tcp(text).unwrap_err().contains(word), "{text}");
        }
        for (text, word) in [
            ("https://a/", "https is not asked"),
            ("a:80/", "does not begin with http://"),
            ("http:///", "host is missing"),
            ("http://u:p@a/", "user"),
            ("http://a/ä", "%XX"),
            ("http://a/b c", "%XX"),
        ] {
            assert!(Endpoint::http(text).unwrap_err().contains(word), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,40}", scheme in "(http://)?") {
            let _ = Endpoint::tcp(&text);
            let _ = Endpoint::http(&format!("{scheme}{text}"));
        }

        #[test]
        fn what_is_understood_reads_back(host in "[a-z0-9.-]{1,20}|\\[[0-9a-f:]{2,8}\\]", port in 1_u16..) {
            if let Ok(endpoint) = Endpoint::tcp(&format!("{host}:{port}")) {
                prop_assert_eq!(Endpoint::tcp(&endpoint.to_string()), Ok(endpoint));
            }
        }
    }
}
