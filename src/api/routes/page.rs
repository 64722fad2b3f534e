//! The web page: files that are part of the program. They tell nothing of the services, and so come before their reader has
//! shown a token; what they show they ask of the same API as everybody, with the reader's token.

use super::nothing_here;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, Router};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// One file of the page.
struct Part {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! parts {
    ($($path:literal $kind:literal $file:literal,)+) => {
        &[$(Part { path: $path, kind: $kind, text: include_str!(concat!("../page/", $file)) },)+]
    };
}

/// All of them.
const PARTS: &[Part] = parts! {
    "/" "text/html; charset=utf-8" "index.html",
    "/page/style.css" "text/css; charset=utf-8" "style.css",
    "/page/icon.svg" "image/svg+xml" "icon.svg",
    "/page/api.js" "text/javascript; charset=utf-8" "api.js",
    "/page/charts.js" "text/javascript; charset=utf-8" "charts.js",
    "/page/detail.js" "text/javascript; charset=utf-8" "detail.js",
    "/page/dom.js" "text/javascript; charset=utf-8" "dom.js",
    "/page/files.js" "text/javascript; charset=utf-8" "files.js",
    "/page/keys.js" "text/javascript; charset=utf-8" "keys.js",
    "/page/list.js" "text/javascript; charset=utf-8" "list.js",
    "/page/live.js" "text/javascript; charset=utf-8" "live.js",
    "/page/log.js" "text/javascript; charset=utf-8" "log.js",
    "/page/main.js" "text/javascript; charset=utf-8" "main.js",
    "/page/news.js" "text/javascript; charset=utf-8" "news.js",
    "/page/orders.js" "text/javascript; charset=utf-8" "orders.js",
    "/page/store.js" "text/javascript; charset=utf-8" "store.js",
    "/page/words.js" "text/javascript; charset=utf-8" "words.js",
};

/// What a browser lets the page do: load its own files, ask this abide, and nothing else; no markup made of text (trusted
/// types), no form that goes anywhere, no place within another page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Whether the page has a file there.
pub(in crate::api) fn serves(path: &str) -> bool {
    PARTS.iter().any(|part| part.path == path)
}

/// The files, for whom the page is [`Shown`].
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    PARTS.iter().fold(Router::new(), |router, part| router.route(part.path, served(part)))
}

/// An extension of requests to which the page is served: those over TCP, where `abide.toml` says so.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Shown;

fn served<S: Clone + Send + Sync + 'static>(part: &'static Part) -> MethodRouter<S> {
    get(async |shown: Option<Extension<Shown>>, headers: HeaderMap| match shown {
        Some(_) => part.response(&headers),
        None => nothing_here().await.into_response(),
    })
}

impl Part {
    /// The file, or that the browser has it.
    fn response(&self, asked: &HeaderMap) -> Response {
        let tag = self.tag();
        let head = [
            (header::CONTENT_TYPE, self.kind),
            (header::ETAG, tag.as_str()),
            // Kept, and asked for at each visit: it changes with the program.
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (OPENER, "same-origin"),
            (PERMISSIONS, "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ];
        let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        if known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
            return (StatusCode::NOT_MODIFIED, head).into_response();
        }
        (head, self.text).into_response()
    }

    /// Names the content.
    fn tag(&self) -> String {
        let digest = Sha256::digest(self.text);
        let mut tag = String::from("\"");
        for byte in &digest[..12] {
            let _ = write!(tag, "{byte:02x}");
        }
        tag + "\""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_of_the_page_is_served_and_nothing_is_asked_that_is_not() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/page");
        let files = std::fs::read_dir(folder).expect("the page has a folder").flatten();
        let files: BTreeSet<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        let served = PARTS.iter().map(|part| part.path.strip_prefix("/page/").unwrap_or("index.html").to_owned());
        assert_eq!(served.collect::<BTreeSet<_>>(), files);
        for part in PARTS {
            let imports = part.text.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next());
            let links = part.text.split("=\"/page/").skip(1).filter_map(|rest| rest.split('"').next());
            for asked in imports.chain(links) {
                assert!(serves(&format!("/page/{asked}")), "{} asks for {asked}", part.path);
            }
        }
    }

    #[test]
    fn the_page_asks_no_other_host_and_makes_no_markup_of_text() {
        let words = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "style=\"",
            "onclick=\"",
        ];
        for part in PARTS {
            for word in words {
                assert!(!part.text.contains(word), "{} has {word}", part.path);
            }
            for url in part.text.split("://").skip(1) {
                assert!(url.starts_with("www.w3.org/2000/svg"), "{} names {}", part.path, &url[..url.len().min(40)]);
            }
        }
    }
}
