//! Bearer tokens (RFC 6750): abide knows the SHA-256 of each and not the token itself.

use crate::model::access::Token;
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What every token begins with, so that who finds one in the wrong place knows what it is.
const PREFIX: &str = "abide_";
/// No token is longer, in bytes.
const LONGEST: usize = 256;

/// The token that a request shows. `Err`: it shows something that is none.
pub(super) fn shown(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(());
    }
    let (scheme, token) = value.to_str().map_err(drop)?.split_once(' ').ok_or(())?;
    let token = token.trim_matches(' ');
    let legal = (1..=LONGEST).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    if scheme.eq_ignore_ascii_case("bearer") && legal { Ok(Some(token)) } else { Err(()) }
}

/// Whose token that is. Takes as long for one that is nearly right as for one that is not, whichever it is.
pub(super) fn known<'t>(tokens: &'t [Token], shown: &str) -> Option<&'t Token> {
    let digest = hash(shown);
    let mut found = None;
    for token in tokens {
        let differs = token.sha256.iter().zip(&digest).fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs));
        if std::hint::black_box(differs) == 0 {
            found = Some(token);
        }
    }
    found
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A new token of 256 bits, and its SHA-256, in hex.
pub fn make() -> std::io::Result<(String, String)> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| std::io::Error::other(error.to_string()))?;
    let token = format!("{PREFIX}{}", hex(&secret));
    let digest = hex(&hash(&token));
    Ok((token, digest))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn of(value: &str) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        shown(&headers).map(|token| token.map(str::to_owned))
    }

    fn token(text: &str) -> Token {
        Token { name: text.to_owned(), sha256: hash(text), may: None, services: Vec::new() }
    }

    #[test]
    fn a_token_is_what_follows_bearer() {
        assert_eq!(of("Bearer abide_1"), Ok(Some("abide_1".to_owned())));
        assert_eq!(of("bearer  x"), Ok(Some("x".to_owned())));
        for bad in ["Bearer", "Bearer ", "Basic abc", "abide_1", "Bearer a b"] {
            assert_eq!(of(bad), Err(()), "{bad}");
        }
        assert_eq!(of(&format!("Bearer {}", "x".repeat(257))), Err(()));
        assert_eq!(shown(&HeaderMap::new()), Ok(None));
        let mut headers = HeaderMap::new();
        for token in ["Bearer a", "Bearer b"] {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(token));
        }
        assert_eq!(shown(&headers), Err(()));
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let tokens = [token("a"), token("b")];
        assert_eq!(known(&tokens, "b").map(|token| token.name.as_str()), Some("b"));
        assert_eq!(known(&tokens, "c"), None);
        assert_eq!(known(&[], "a"), None);
    }

    #[test]
    fn a_new_token_is_long_and_never_the_same() {
        let ((one, digest), (other, _)) = (make().expect("entropy"), make().expect("entropy"));
        assert_ne!(one, other);
        assert_eq!((one.len(), digest.len()), (PREFIX.len() + 64, 64));
        assert_eq!(hex(&hash(&one)), digest);
        assert_eq!(of(&format!("Bearer {one}")), Ok(Some(one)));
    }

    proptest! {
        #[test]
        fn any_header_is_a_token_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.append(header::AUTHORIZATION, value);
            }
            if let Ok(Some(token)) = shown(&headers) {
                prop_assert!(token.len() <= LONGEST && !token.is_empty() && token.is_ascii());
            }
        }

        #[test]
        fn only_the_token_itself_is_known(one in "[a-z]{1,8}", other in "[a-z]{1,8}") {
            prop_assert_eq!(known(&[token(&one)], &other).is_some(), one == other);
        }
    }
}
