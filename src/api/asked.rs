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
