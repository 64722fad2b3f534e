//! `tcp` and `http` checks: one short task each, whose answer comes as a letter. How long one may take is the core's
//! business, which drops it then.

use super::turn::Letter;
use crate::decide::effect::Which;
use crate::decide::event::RunId;
use crate::model::check::{Check, HttpCheck};
use crate::model::desired::Definition;
use crate::model::endpoint::{Endpoint, Host};
use crate::model::launch::expand_for;
use crate::model::name::InstanceId;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, spawn_blocking};

/// As much of a body is looked at.
const MOST_BODY: usize = 64 << 10;

/// The probes under way.
pub(super) struct Probes {
    letters: UnboundedSender<Letter>,
    tasks: HashMap<RunId, AbortHandle>,
}

impl Probes {
    /// None; answers go to `letters`.
    pub(super) fn new(letters: UnboundedSender<Letter>) -> Self {
        Self { letters, tasks: HashMap::new() }
    }

    /// Asks. To be called inside the runtime.
    pub(super) fn start(&mut self, instance: InstanceId, run: RunId, which: Which, definition: &Definition) {
        let question = Question::of(definition, instance.index, which);
        let letters = self.letters.clone();
        let task = tokio::spawn(async move {
            let outcome = match question {
                Ok(question) => question.ask().await,
                Err(reason) => Err(reason),
            };
            // Nobody to tell: the loop is over.
            let _ = letters.send(Letter::Probed { instance, run, outcome });
        });
        self.tasks.insert(run, task.abort_handle());
    }

    /// Its answer is not wanted any more.
    pub(super) fn stop(&mut self, run: RunId) {
        if let Some(task) = self.tasks.remove(&run) {
            task.abort();
        }
    }

    /// Its answer is here. Whether it is still wanted.
    pub(super) fn answered(&mut self, run: RunId) -> bool {
        self.tasks.remove(&run).is_some()
    }
}

/// What is asked, every template expanded.
enum Question {
    Tcp(Endpoint),
    Http { at: Endpoint, status: Option<u16>, body: Option<String> },
}

impl Question {
    fn of(definition: &Definition, index: u32, which: Which) -> Result<Self, String> {
        let service = &definition.service;
        let check = match which {
            Which::Ready => service.ready.as_deref().map(|ready| &ready.check),
            Which::Health => service.health.as_deref().map(|health| &health.check),
        };
        let expand = |text: &str| expand_for(service, index, text).map_err(|bad| bad.to_string());
        match check {
            Some(Check::Tcp(address)) => Endpoint::tcp(&expand(address)?).map(Self::Tcp),
            Some(Check::Http(HttpCheck { url, status, body })) => {
                let at = Endpoint::http(&expand(url)?)?;
                Ok(Self::Http { at, status: *status, body: body.clone() })
            }
            _ => Err("the service has no such check".to_owned()),
        }
    }

    async fn ask(self) -> Result<(), String> {
        match self {
            Self::Tcp(at) => connect(&at).await.map(drop),
            Self::Http { at, status, body } => get(&at, status, body.as_deref()).await,
        }
    }
}

/// Connects to the first of its addresses that accepts; else says why the first did not.
async fn connect(at: &Endpoint) -> Result<TcpStream, String> {
    let mut refused = None;
    for address in addresses(at).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => drop(refused.get_or_insert(cannot_connect(address, &error))),
        }
    }
    Err(refused.unwrap_or_else(|| format!("{at} has no address")))
}

fn cannot_connect(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused by {address}"),
        _ => format!("could not connect to {address}: {error}"),
    }
}

/// Without a thread where it can be: the resolver blocks, and this machine's own name needs none.
async fn addresses(at: &Endpoint) -> Result<Vec<SocketAddr>, String> {
    let port = at.port;
    match &at.host {
        Host::Address(address) => Ok(vec![(*address, port).into()]),
        Host::Name(name) if name.eq_ignore_ascii_case("localhost") => {
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
        }
        Host::Name(name) => {
            let wanted = (name.clone(), port);
            let found = spawn_blocking(move || wanted.to_socket_addrs().map(Iterator::collect)).await;
            let found = found.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
            found.map_err(|error| format!("could not find the address of {name}: {error}"))
        }
    }
}

async fn get(at: &Endpoint, status: Option<u16>, text: Option<&str>) -> Result<(), String> {
    let stream = connect(at).await?;
    let broken = |error: hyper::Error| format!("no proper answer from {at}: {}", in_words(&error));
    let (mut sender, connection) = handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(&at.path)
        .header(HOST, at.to_string())
        .header(USER_AGENT, concat!("abide/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| format!("could not ask {at}: {error}"))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        judge_status(response.status(), status)?;
        match text {
            Some(text) => judge_body(response, text).await.map_err(broken)?,
            None => Ok(()),
        }
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // It is over for the connection: the rest is there already, or the reason why not.
        _ = connection => exchange.await,
    }
}

fn judge_status(status: StatusCode, wanted: Option<u16>) -> Result<(), String> {
    let status = status.as_u16();
    match wanted {
        Some(wanted) if status != wanted => Err(format!("status {status} instead of {wanted}")),
        None if !(200..400).contains(&status) => Err(format!("status {status} instead of 200 to 399")),
        _ => Ok(()),
    }
}

async fn judge_body(response: Response<Incoming>, text: &str) -> Result<Result<(), String>, hyper::Error> {
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = MOST_BODY - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if contains(&read, text.as_bytes()) {
            return Ok(Ok(()));
        }
        if read.len() == MOST_BODY {
            return Ok(Err(format!("the first {} KiB of the body do not contain {text:?}", MOST_BODY >> 10)));
        }
    }
    Ok(Err(format!("the body does not contain {text:?}")))
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}

/// hyper's sentence with its cause, which has the point.
fn in_words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
