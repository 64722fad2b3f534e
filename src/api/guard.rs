//! What stands before every route: whom a request means, who sent it, and a bound for what it carries.

use super::audit;
use super::call::{Call, Caller};
use super::origin::{self, Foreign};
use super::problem::Problem;
use super::rights::{Visitor, unauthorized};
use super::routes::page::{self, Shown};
use super::rpc;
use super::token;
use crate::model::access::{DoorPolicy, Right, Who};
use crate::model::name::ServiceName;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// No body of ours is larger, in bytes.
const LARGEST_BODY: usize = 64 << 10;
/// A body must be there within this time.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What everybody may ask who comes in at all: who they are, and how one asks.
const OPEN: [&str; 2] = ["/v1/whoami", "/v1/openapi.json"];
/// By which door a request came. An extension of every request.
#[derive(Debug, Clone)]
pub(super) enum Arrival {
    /// Over the control socket.
    Local {
        /// Who connected.
        who: Arc<Who>,
        /// The process that did.
        pid: Option<i32>,
    },
    /// Over TCP.
    Remote {
        /// Our address.
        local: SocketAddr,
        /// Theirs.
        from: SocketAddr,
    },
}

/// What the guard knows.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) caller: Caller,
    pub(super) policy: watch::Receiver<Arc<DoorPolicy>>,
    pub(super) file: Arc<Path>,
}

/// Lets a request pass to its route, with a [`Visitor`] and with its whole body, or refuses it.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.admit(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let unknown = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if unknown {
        let challenge = HeaderValue::from_static("Bearer realm=\"abide\"");
        headers.entry(header::WWW_AUTHENTICATE).or_insert(challenge);
    }
    // Nothing here is for another site to embed, for a browser to guess at or for a proxy to keep.
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

impl Guard {
    async fn admit(&self, request: Request) -> Result<Request, Problem> {
        let (mut parts, body) = request.into_parts();
        let visitor = self.visitor(&parts).await?;
        let path = parts.uri.path();
        let is_page = self.shows_page(&parts);
        if !is_page && visitor.is_stranger() && !OPEN.contains(&path) {
            let (right, services, act) = wished(&parts.method, path);
            let refusal = visitor.refusal(right, &services);
            if let Some(act) = act {
                audit::refused(act, &visitor.author(), &refusal.detail);
            }
            return Err(refusal);
        }
        parts.extensions.insert(visitor);
        if is_page {
            parts.extensions.insert(Shown);
        }
        let most = if rpc::is_called(parts.uri.path()) { rpc::LARGEST_BODY } else { LARGEST_BODY };
        Ok(Request::from_parts(parts, whole(body, most).await?))
    }

    async fn visitor(&self, request: &Parts) -> Result<Visitor, Problem> {
        let arrival = request.extensions.get::<Arrival>().ok_or_else(unauthorized)?;
        let (who, pid) = match arrival {
            Arrival::Local { who, pid } => (Arc::clone(who), *pid),
            Arrival::Remote { local, from } => (Arc::new(self.remote(request, *local, *from)?), None),
        };
        let visitor = Visitor::new(who, pid, self.policy.clone(), Arc::clone(&self.file));
        match *visitor.who() {
            Who::User { uid, .. } if !visitor.has_of_all(Right::Read) => {
                let owned = self.caller.ask(|answer| Call::Owned(uid, answer)).await?;
                Ok(visitor.owner_of(owned))
            }
            _ => Ok(visitor),
        }
    }

    /// Whether a file of the page is asked for where it is shown. It has to come before its reader can show a token.
    fn shows_page(&self, request: &Parts) -> bool {
        let remote = matches!(request.extensions.get(), Some(Arrival::Remote { .. }));
        let shown = remote && self.policy.borrow().http.as_ref().is_some_and(|http| http.dashboard);
        shown && request.method == Method::GET && page::serves(request.uri.path())
    }

    /// Who comes over TCP.
    fn remote(&self, request: &Parts, local: SocketAddr, from: SocketAddr) -> Result<Who, Problem> {
        let policy = Arc::clone(&self.policy.borrow());
        // Turned off a moment ago.
        let http = policy.http.as_ref().ok_or_else(unauthorized)?;
        let is_page = self.shows_page(request);
        origin::check(&request.headers, &request.uri, local, &http.hosts, is_page)?;
        match token::shown(&request.headers) {
            Ok(None) if is_page => Ok(Who::Nobody),
            Ok(None) => Err(unauthorized()),
            Ok(Some(shown)) => {
                let token = token::known(&http.tokens, shown).ok_or_else(|| unknown_token(from))?;
                Ok(Who::Token(token.name.clone()))
            }
            Err(()) => Err(unknown_token(from)),
        }
    }
}

/// What a request wants to do, with which services (empty: all), and the word for it if it is an order: enough to say what
/// is missing to who may nothing at all.
fn wished<'p>(method: &Method, path: &'p str) -> (Right, Vec<&'p str>, Option<&'p str>) {
    let mut parts = path.strip_prefix("/v1/services/").unwrap_or_default().split('/');
    let services: Vec<&str> = parts.next().unwrap_or_default().split(',').collect();
    let are_names = services.iter().all(|name| ServiceName::new(name).is_ok());
    let services = if are_names { services } else { Vec::new() };
    match parts.next() {
        Some(act) if *method != Method::GET => (Right::Operate, services, Some(act)),
        _ => (Right::Read, services, None),
    }
}

/// The body, once it is there: no route waits for a sender.
async fn whole(body: Body, most: usize) -> Result<Body, Problem> {
    if body.is_end_stream() {
        return Ok(body);
    }
    let refused = |status, kind, title, detail: String| Err(Problem::new(status, kind, title, detail));
    match timeout(BODY_TIME, Limited::new(body, most).collect()).await {
        Ok(Ok(whole)) => Ok(Body::from(whole.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {most} bytes");
            refused(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "too large", detail)
        }
        Ok(Err(_)) => refused(StatusCode::BAD_REQUEST, "bad-request", "bad request", "the body broke off".to_owned()),
        Err(_) => {
            let detail = format!("the body was not there within {} seconds", BODY_TIME.as_secs());
            refused(StatusCode::REQUEST_TIMEOUT, "too-slow", "too slow", detail)
        }
    }
}

fn unknown_token(from: SocketAddr) -> Problem {
    audit::unknown_token(from);
    let detail = "this token is not known";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "not known", detail)
        .hint("`abide token NAME` makes one, and prints the lines for abide.toml")
}

impl From<Foreign> for Problem {
    fn from(foreign: Foreign) -> Self {
        let shown = |text: String| crate::model::diagnostic::escaped(&text.chars().take(100).collect::<String>());
        match foreign {
            Foreign::Host(host) => {
                let detail = match &host {
                    Some(host) => format!("no abide is called {}", shown(host.clone())),
                    None => "the request does not say in one `Host` header whom it means".to_owned(),
                };
                let problem = Self::new(StatusCode::FORBIDDEN, "bad-host", "another host is meant", detail);
                match host.map(shown) {
                    Some(host) => problem.hint(format!(
                        "if it is one of its names, add to abide.toml:\n[http]\nhosts = [{}]",
                        serde_json::Value::from(host)
                    )),
                    None => problem,
                }
            }
            Foreign::Page(site) => {
                let detail = format!("the request was made by a page of another site ({})", shown(site));
                Self::new(StatusCode::FORBIDDEN, "bad-origin", "made by another site", detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wished_to_do_is_read_off_the_path() {
        let of = |method: Method, path: &'static str| wished(&method, path);
        assert_eq!(of(Method::GET, "/v1/status"), (Right::Read, vec![], None));
        assert_eq!(of(Method::GET, "/v1/services/web/tree"), (Right::Read, vec!["web"], None));
        assert_eq!(of(Method::POST, "/v1/services/web,db/stop"), (Right::Operate, vec!["web", "db"], Some("stop")));
        assert_eq!(of(Method::POST, "/v1/services/web*/stop"), (Right::Operate, vec![], Some("stop")));
        assert_eq!(of(Method::POST, "/v1/services/"), (Right::Read, vec![], None));
    }
}
