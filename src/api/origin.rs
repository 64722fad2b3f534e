//! Whether a request means us and comes from us: a page of somebody else, open in a browser that reaches the port, must
//! get nothing. Pure.
//!
//! A name that resolves to the loopback (DNS rebinding) is unmasked by `Host`; a page that posts across sites by `Origin`
//! and `Sec-Fetch-Site` (W3C Fetch Metadata).

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// What is wrong with where a request comes from or whom it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It means another host, or none; the host that it named.
    Host(Option<String>),
    /// It was made by a page of another site.
    Page(String),
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Looks at a request that came to the address `local`; `names`: further names of ours, in lower case. Who only `opens` a page
/// may have followed a link from anywhere.
pub(super) fn check(
    headers: &HeaderMap,
    uri: &Uri,
    local: SocketAddr,
    names: &[String],
    opens: bool,
) -> Result<(), Foreign> {
    let host = one(headers, &header::HOST).ok_or(Foreign::Host(None))?;
    let authority = host.parse::<Authority>().ok().filter(|it| !it.as_str().contains('@'));
    let authority = authority.ok_or_else(|| Foreign::Host(Some(host.to_owned())))?;
    for named in [Some(&authority), uri.authority()].into_iter().flatten() {
        if !is_ours(named.host(), local.ip(), names) {
            return Err(Foreign::Host(Some(named.host().to_owned())));
        }
    }
    if headers.contains_key(header::ORIGIN) {
        let origin = one(headers, &header::ORIGIN).unwrap_or_default();
        if !is_same(origin, &authority) {
            return Err(Foreign::Page(origin.to_owned()));
        }
    }
    let follows_link = opens && one(headers, &FETCH_MODE) == Some("navigate");
    match one(headers, &FETCH_SITE) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if follows_link => Ok(()),
        Some(site) => Err(Foreign::Page(site.to_owned())),
    }
}

/// The value of a header that stands there once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

/// Whether `host` is a name of ours. The port is anybody's: that of a tunnel is another.
fn is_ours(host: &str, local: IpAddr, names: &[String]) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() || ip.to_canonical() == local.to_canonical() => true,
        _ => host == "localhost" || names.contains(&host),
    }
}

/// Whether a page of that origin came from that host: the same name and port. Behind a proxy that ends TLS the scheme is
/// not the one that we speak.
fn is_same(origin: &str, host: &Authority) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Ok(authority) = rest.parse::<Authority>() else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    authority.host().eq_ignore_ascii_case(host.host()) && port(&authority) == port(host) && !rest.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn checked(headers: &[(&'static str, &str)], uri: &str, opens: bool) -> Result<(), Foreign> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let names = ["abide.example.org".to_owned()];
        check(&map, &uri.parse().expect("a uri"), "192.0.2.7:9700".parse().expect("an address"), &names, opens)
    }

    #[test]
    fn a_host_is_the_loopback_the_address_or_a_name_from_abide_toml() {
        for good in [
            "localhost",
            "localhost:8000",
            "LOCALHOST.:9700",
            "127.0.0.1:9700",
            "127.1.2.3",
            "[::1]:9700",
            "192.0.2.7:9700",
            "[::ffff:192.0.2.7]",
            "Abide.Example.org",
        ] {
            assert_eq!(checked(&[("host", good)], "/v1/status", false), Ok(()), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "192.0.2.8",
            "localhost@evil.example",
            "evil@localhost",
            "",
            "a b",
            "127.0.0.1.evil.example",
        ] {
            let refused = checked(&[("host", bad)], "/v1/status", false);
            assert!(matches!(refused, Err(Foreign::Host(Some(_)))), "{bad}: {refused:?}");
        }
        assert_eq!(checked(&[], "/", false), Err(Foreign::Host(None)));
        assert_eq!(checked(&[("host", "localhost"), ("host", "localhost")], "/", false), Err(Foreign::Host(None)));
        let absolute = checked(&[("host", "localhost")], "http://evil.example/v1/status", false);
        assert_eq!(absolute, Err(Foreign::Host(Some("evil.example".to_owned()))));
    }

    #[test]
    fn a_page_of_another_site_gets_nothing() {
        let host = ("host", "localhost:9700");
        for good in ["http://localhost:9700", "https://LOCALHOST:9700"] {
            assert_eq!(checked(&[host, ("origin", good)], "/", false), Ok(()), "{good}");
        }
        for bad in [
            "http://localhost:3000",
            "http://localhost",
            "https://evil.example",
            "null",
            "",
            "file://",
            "localhost:9700",
        ] {
            assert_eq!(checked(&[host, ("origin", bad)], "/", true), Err(Foreign::Page(bad.to_owned())), "{bad}");
        }
        assert_eq!(checked(&[("host", "localhost"), ("origin", "http://localhost:80")], "/", false), Ok(()));
        for (site, expected) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
            assert_eq!(checked(&[host, ("sec-fetch-site", site)], "/", false).is_ok(), expected, "{site}");
        }
    }

    #[test]
    fn a_link_may_lead_to_the_page_and_to_nothing_else() {
        let link = [("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(checked(&link, "/", true), Ok(()));
        assert!(checked(&link, "/v1/status", false).is_err());
        let script = [("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
        assert!(checked(&script, "/", true).is_err());
    }

    proptest! {
        #[test]
        fn no_foreign_name_is_ours(name in "[a-z0-9.:\\[\\]@-]{0,30}", port in any::<u16>()) {
            let host = format!("{name}.evil.example:{port}");
            prop_assert!(checked(&[("host", &host)], "/", true).is_err());
            let origin = format!("http://{host}");
            prop_assert!(checked(&[("host", "localhost"), ("origin", &origin)], "/", true).is_err());
        }

        #[test]
        fn any_bytes_are_judged(host in prop::collection::vec(32_u8..=255, 0..40), origin in prop::collection::vec(32_u8..=255, 0..40)) {
            let mut map = HeaderMap::new();
            for (name, bytes) in [(header::HOST, host), (header::ORIGIN, origin)] {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    map.append(name, value);
                }
            }
            let _ = check(&map, &Uri::from_static("/"), "127.0.0.1:1".parse().expect("an address"), &[], false);
        }
    }
}
