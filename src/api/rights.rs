//! Who visits, and what they may.

use super::problem::Problem;
use crate::model::order::Author;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::os::unix::fs::MetadataExt;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Visitor(pub(super) Author);

/// What may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Look at a service.
    Read,
    /// Give orders about it.
    Operate,
}

/// Whether `visitor` may do this with a service; `None`: with anything at all. A refusal says which rule is missing.
pub(super) fn may(visitor: &Visitor, what: May, service: Option<&str>) -> Result<(), Problem> {
    let ours = std::fs::metadata("/proc/self").map_or(0, |about| about.uid());
    if what == May::Read || visitor.0.uid.is_some_and(|uid| uid == 0 || uid == ours) {
        return Ok(());
    }
    let of = service.map_or_else(|| "that".to_owned(), |service| format!("that with {service}"));
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "you may not", format!("you may not do {of}")))
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
