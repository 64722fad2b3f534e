//! What goes wrong, as RFC 9457 has it: `application/problem+json`, with the diagnostics that files get too.

use super::call::Ending;
use crate::model::diagnostic::Diagnostic;
use crate::model::selector::NoSuch;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A refusal.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What kind of problem, as a URI that means the same for ever: `urn:abide:problem:no-such-service`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: Box<str>,
    /// The status of the response.
    pub status: u16,
    /// What happened, and to what.
    pub detail: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What is wrong with files, where that is the matter: as `abide check --json` has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<serde_json::Value>,
}

impl Problem {
    /// A problem of `kind` (a word in the reference).
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        let kind = format!("urn:abide:problem:{kind}");
        let (title, detail) = (title.into(), detail.into());
        Self { kind, title, status: status.as_u16(), detail, hint: None, diagnostics: Vec::new() }
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what is wrong with files.
    #[must_use]
    pub fn diagnostics(mut self, findings: &[Diagnostic]) -> Self {
        self.diagnostics = findings.iter().filter_map(|finding| serde_json::to_value(finding).ok()).collect();
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("strings and numbers only");
        let json = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, json)], body).into_response()
    }
}

impl From<Ending> for Problem {
    fn from(ending: Ending) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ending", "abide is ending", ending.to_string())
    }
}

impl From<NoSuch> for Problem {
    fn from(NoSuch(names): NoSuch) -> Self {
        let given: Vec<String> = names.iter().map(|(selector, _)| selector.to_string()).collect();
        let detail = format!("there is nothing of the name {}", given.join(", "));
        let near = names.iter().find_map(|(selector, near)| Some((selector, near.as_ref()?)));
        let hint = match near {
            // The service is right, and the number of the instance is not.
            Some((selector, near)) if selector.names.matches(near.as_str()) => {
                format!("`abide status {near}` lists its instances")
            }
            Some((_, near)) => format!("did you mean {near}?"),
            None => "`abide status` lists what there is".to_owned(),
        };
        Self::new(StatusCode::NOT_FOUND, "no-such-service", "no such service", detail).hint(hint)
    }
}
