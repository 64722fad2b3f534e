//! What a request holds, taken apart: query and body into values, names into selectors, or a problem that says what
//! to do instead.

use super::problem::Problem;
use crate::model::selector::Selector;
use crate::model::units;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// So many names in one request: a pattern names more.
const MOST_NAMES: usize = 1000;

/// 400: it cannot be meant like this.
pub(super) fn bad(detail: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", "the request cannot be understood", detail).hint(hint)
}

/// The query of a request.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => {
                let text = error.body_text();
                let what = text.split_once(": ").map_or(text.as_str(), |(_, what)| what);
                Err(bad(format!("the query: {what}"), takes::<T>("parameter")))
            }
        }
    }
}

/// The body of a request, JSON; none is an empty object.
pub(super) struct Told<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema, S: Send + Sync> FromRequest<S> for Told<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            let detail = format!("the body could not be read: {}", error.body_text());
            Problem::new(error.status(), "bad-request", "the request cannot be understood", detail)
                .hint("send a small JSON object, or nothing")
        })?;
        object(&body).map(Self)
    }
}

fn object<T: DeserializeOwned + JsonSchema>(body: &[u8]) -> Result<T, Problem> {
    let blank = body.iter().all(u8::is_ascii_whitespace);
    // A list would be taken for the fields in their order.
    if !blank && body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(bad("the body is no JSON object", takes::<T>("field")));
    }
    serde_json::from_slice(if blank { b"{}" } else { body })
        .map_err(|error| bad(format!("the body: {error}"), takes::<T>("field")))
}

/// The names of what `T` is made of, as a piece of advice.
fn takes<T: JsonSchema>(what: &str) -> String {
    let schema = schemars::schema_for!(T);
    let names: Vec<&str> = schema
        .get("properties")
        .and_then(serde_json::Value::as_object)
        .map(|known| known.keys().map(String::as_str).collect())
        .unwrap_or_default();
    match names.as_slice() {
        [] => format!("it takes no {what}s"),
        [one] => format!("the only {what} is {one}; /v1/openapi.json describes it"),
        many => format!("the {what}s are {}; /v1/openapi.json describes them", many.join(", ")),
    }
}

/// The services of a path: `web,db*,web@2,@failed`.
pub(super) struct Meant(pub(super) Vec<Selector>);

impl<S: Send + Sync> FromRequestParts<S> for Meant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        selectors(&named(parts, state).await?).map(Self)
    }
}

/// The one service of a path.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        named(parts, state).await.map(Self)
    }
}

async fn named<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Problem> {
    let path = Path::<String>::from_request_parts(parts, state).await;
    let unreadable = "encode what is no letter or digit as %XX of its UTF-8";
    path.map(|Path(name)| name).map_err(|_| bad("the name in the path cannot be read", unreadable))
}

/// Names with commas between them.
pub(super) fn selectors(text: &str) -> Result<Vec<Selector>, Problem> {
    let hint = "name services (web), patterns (web*), instances (web@2) or states (@failed), with commas between them";
    if text.split(',').nth(MOST_NAMES).is_some() {
        return Err(bad(format!("these are more than {MOST_NAMES} names"), "write a pattern, such as web*"));
    }
    let parse = |name: &str| name.parse::<Selector>().map_err(|error| bad(error.to_string(), hint));
    text.split(',').map(parse).collect()
}

/// The names of a query; none means all.
pub(super) fn names(text: Option<&str>) -> Result<Option<Vec<Selector>>, Problem> {
    text.map(selectors).transpose()
}

/// A duration of a query or body.
pub(super) fn duration(field: &str, text: &str) -> Result<Duration, Problem> {
    units::parse_duration(text).map_err(|error| bad(format!("{field}: {}", error.message), error.help))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[expect(dead_code, reason = "it is read, and that is the test")]
        lines: Option<u32>,
        #[expect(dead_code, reason = "it is read, and that is the test")]
        names: Option<String>,
    }

    /// Whether a problem says what is wrong and what to do.
    fn is_whole(problem: &Problem) -> bool {
        problem.status == 400
            && !problem.detail.is_empty()
            && problem.hint.as_ref().is_some_and(|hint| !hint.is_empty())
    }

    fn query(text: &str) -> Option<Result<Wish, Problem>> {
        let (mut parts, ()) = axum::http::Request::builder().uri(format!("/?{text}")).body(()).ok()?.into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Some(runtime.block_on(Asked::<Wish>::from_request_parts(&mut parts, &())).map(|Asked(wish)| wish))
    }

    #[test]
    fn what_a_request_takes_is_said_where_it_holds_something_else() {
        let hint = |text: &str| query(text).unwrap().unwrap_err().hint.unwrap();
        assert_eq!(hint("line=3"), "the parameters are lines, names; /v1/openapi.json describes them");
        assert!(query("lines=3&names=web%2A").unwrap().is_ok());
        for text in ["lines=-1", "lines=3&lines=4", "lines=%FF", "lines=99999999999"] {
            assert!(is_whole(&query(text).unwrap().unwrap_err()), "{text}");
        }
        assert!(object::<Wish>(b" \n").is_ok() && object::<Wish>(b"{}").is_ok());
        for body in ["[]", "null", "{", "{\"a\":1}", "{\"lines\":\"3\"}", "3"] {
            assert!(is_whole(&object::<Wish>(body.as_bytes()).unwrap_err()), "{body}");
        }
    }

    #[test]
    fn too_many_names_are_a_pattern_that_somebody_did_not_write() {
        assert_eq!(selectors(&vec!["web"; MOST_NAMES].join(",")).unwrap().len(), MOST_NAMES);
        assert!(is_whole(&selectors(&vec!["web"; MOST_NAMES + 1].join(",")).unwrap_err()));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_understood_or_a_problem_that_says_what_to_do(
            text in "(\\PC|[a-z@*?,.&=%{}\"\\[\\]0-9-]){0,40}",
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Err(problem) = selectors(&text) {
                prop_assert!(is_whole(&problem), "{:?}", problem);
            }
            if let Err(problem) = duration("for", &text) {
                prop_assert!(is_whole(&problem), "{:?}", problem);
            }
            if let Some(Err(problem)) = query(&text) {
                prop_assert!(is_whole(&problem), "{:?}", problem);
            }
            for body in [text.as_bytes(), &bytes] {
                if let Err(problem) = object::<Wish>(body) {
                    prop_assert!(is_whole(&problem), "{:?}", problem);
                }
            }
        }

        #[test]
        fn good_names_mean_what_they_say(names in proptest::collection::vec("[a-z0-9][a-z0-9._-]{0,8}(@[0-9]{1,3})?", 1..6)) {
            let read: Vec<String> = selectors(&names.join(",")).unwrap().iter().map(ToString::to_string).collect();
            let written: Vec<String> = names.iter().map(|name| name.parse::<Selector>().unwrap().to_string()).collect();
            prop_assert_eq!(read, written);
        }
    }
}
