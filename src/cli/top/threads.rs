//! Who talks with the daemon: a thread for what is asked often, one for what people order, one that listens to
//! events, and one for each log that is followed. Thin.

use super::log::Splitter;
use super::sse::Reader;
use super::talk::{Input, Refusal, Rights, Said, Step, Verb, Wish};
use super::terminal::Heard;
use crate::api::client::{Client, NoAnswer, Reply, Stop};
use crate::model::look::Usage;
use crate::model::order::Done;
use crate::model::selector::Target;
use crate::model::status::Status;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::Duration;

/// A daemon that has gone is looked for this often.
const AGAIN: Duration = Duration::from_secs(1);
/// One that has no events for us is asked for them this often.
const DEAF: Duration = Duration::from_secs(5);
/// So many targets stand in one request.
const TARGETS: usize = 50;
/// The first lines of a log that is followed.
const LINES: usize = 1_000;

/// The threads, by what they are asked.
pub(super) struct Threads {
    runtime: PathBuf,
    heard: SyncSender<Heard>,
    looker: Sender<Wish>,
    hand: Sender<Wish>,
    follower: Option<Stop>,
}

impl Threads {
    /// Begins to listen.
    pub(super) fn start(runtime: &Path, heard: &SyncSender<Heard>) -> io::Result<Self> {
        let worker = |name: &str| {
            let (ask, asked) = channel();
            let (client, heard) = (Client::new(runtime)?, heard.clone());
            spawn(name, move || work(&client, &asked, &heard))?;
            io::Result::Ok(ask)
        };
        let (looker, hand) = (worker("looks")?, worker("orders")?);
        let (client, ears) = (Client::new(runtime)?, heard.clone());
        spawn("events", move || listen(&client, &ears))?;
        Ok(Self { runtime: runtime.to_owned(), heard: heard.clone(), looker, hand, follower: None })
    }

    /// Has a wish carried out that is about the daemon.
    pub(super) fn carry_out(&mut self, wish: Wish) -> io::Result<()> {
        match wish {
            Wish::Act { .. } | Wish::Plan => drop(self.hand.send(wish)),
            Wish::Status(_) | Wish::Usage | Wish::Rights => drop(self.looker.send(wish)),
            Wish::Follow(turn, target) => {
                self.unfollow();
                let stop = Stop::default();
                let (client, heard, own) = (Client::new(&self.runtime)?, self.heard.clone(), stop.clone());
                spawn("log", move || follow(&client, turn, &target, &own, &heard))?;
                self.follower = Some(stop);
            }
            Wish::Unfollow => self.unfollow(),
            Wish::Quit | Wish::Suspend | Wish::Clear => {}
        }
        Ok(())
    }

    fn unfollow(&mut self) {
        if let Some(stop) = self.follower.take() {
            stop.stop();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).stack_size(1 << 20).spawn(work).map(drop)
}

fn say(heard: &SyncSender<Heard>, said: Said) -> bool {
    heard.send(Heard::Input(Input::Said(said))).is_ok()
}

/// Answers one question after the other.
fn work(client: &Client, asked: &Receiver<Wish>, heard: &SyncSender<Heard>) {
    while let Ok(wish) = asked.recv() {
        let said = match wish {
            Wish::Status(names) => {
                let list: Vec<&str> = names.iter().flatten().map(crate::model::name::ServiceName::as_str).collect();
                let query = if names.is_some() { format!("?names={}", list.join(",")) } else { String::new() };
                Said::Status(names, answer::<Status>(client.get(&format!("/v1/status{query}"))).map(Box::new))
            }
            Wish::Usage => Said::Usage(answer::<Usage>(client.get("/v1/usage"))),
            Wish::Rights => Said::Rights(answer::<Rights>(client.get("/v1/whoami")).ok()),
            Wish::Plan => {
                #[derive(Deserialize)]
                struct Plan {
                    steps: Vec<Step>,
                }
                Said::Plan(answer::<Plan>(client.get("/v1/plan")).map(|plan| plan.steps))
            }
            Wish::Act { verb, targets, reason, lasts } => {
                let body = serde_json::json!({ "reason": reason, "for": lasts }).to_string();
                let body = if verb == Verb::Stop { body.as_str() } else { "{}" };
                Said::Acted(verb, act(client, verb, &targets, body))
            }
            _ => continue,
        };
        if !say(heard, said) {
            return;
        }
    }
}

fn act(client: &Client, verb: Verb, targets: &[Target], body: &str) -> Result<Vec<Done>, Refusal> {
    #[derive(Deserialize)]
    struct Acted {
        targets: Vec<Done>,
    }
    let mut done = Vec::new();
    for some in targets.chunks(TARGETS) {
        let names: Vec<String> = some.iter().map(ToString::to_string).collect();
        let reply = client.post(&format!("/v1/services/{}/{}", names.join(","), verb.word()), body.as_bytes());
        let acted = match reply {
            // Some of them could not obey: which, and why, stands in the same form.
            Ok(Reply { status: 409, body }) if serde_json::from_slice::<Acted>(&body).is_ok() => {
                answer::<Acted>(Ok(Reply { status: 200, body }))
            }
            reply => answer::<Acted>(reply),
        };
        done.extend(acted?.targets);
    }
    Ok(done)
}

/// The body as what it should be, or why not.
fn answer<T: DeserializeOwned>(reply: Result<Reply, NoAnswer>) -> Result<T, Refusal> {
    let reply = reply.map_err(|error| no_answer(&error))?;
    if reply.status != 200 {
        return Err(refusal(reply.status, &reply.body));
    }
    serde_json::from_slice(&reply.body).map_err(|error| {
        let detail = format!("abide answers what this `abide top` does not understand: {error}");
        let hint = Some("use the `abide` of the release that runs".to_owned());
        Refusal { detail, hint, status: reply.status, ..Refusal::default() }
    })
}

fn refusal(status: u16, body: &[u8]) -> Refusal {
    let own = serde_json::from_slice::<Refusal>(body).ok();
    let other = || Refusal { detail: format!("abide answers {status}"), ..Refusal::default() };
    Refusal { status, ..own.unwrap_or_else(other) }
}

fn no_answer(error: &NoAnswer) -> Refusal {
    Refusal { title: "no answer".to_owned(), detail: error.to_string(), ..Refusal::default() }
}

/// Listens to events, and looks for the daemon again where it has gone.
fn listen(client: &Client, heard: &SyncSender<Heard>) {
    let mut reader = Reader::default();
    loop {
        reader.restart();
        // The first talk only tells where the stream is: the second begins with all that is kept of the past.
        let first = reader.id.is_none();
        let since = reader.id.as_ref().map_or_else(String::new, |id| format!("?since={id}"));
        let (mut status, mut body) = (0, Vec::new());
        let begin = |code| {
            status = code;
            code != 200 || first || say(heard, Said::Listening)
        };
        let mut bytes = |code: u16, piece: &[u8]| {
            if code != 200 {
                body.extend_from_slice(&piece[..piece.len().min(64 << 10)]);
                return body.len() < 64 << 10;
            }
            let told = reader.take(piece);
            !(first && reader.id.is_some()) && told.into_iter().all(|told| say(heard, Said::News(told)))
        };
        let ended = client.follow(&format!("/v1/events{since}"), &Stop::default(), begin, &mut bytes);
        if let (true, Some(id)) = (first, &mut reader.id) {
            let life = id.split('-').next().unwrap_or_default().to_owned();
            *id = format!("{life}-0");
            continue;
        }
        let (said, pause) = match ended {
            Ok(()) if status == 200 => (Said::Lost("abide has ended, or is ending".to_owned()), AGAIN),
            Ok(()) => (Said::Deaf(refusal(status, &body)), DEAF),
            Err(error) => (Said::Lost(error.to_string()), AGAIN),
        };
        // What is no id of this stream would be refused again and again.
        if status == 400 {
            reader.id = None;
        }
        if !say(heard, said) {
            return;
        }
        std::thread::sleep(pause);
    }
}

/// Follows a log until it is told to stop.
fn follow(client: &Client, turn: u64, target: &Target, stop: &Stop, heard: &SyncSender<Heard>) {
    let instance = target.index.map_or_else(String::new, |index| format!("&instance={index}"));
    let path = format!("/v1/services/{}/logs?lines={LINES}&follow=true{instance}", target.service);
    let mut splitter = Splitter::default();
    let (mut status, mut body) = (0, Vec::new());
    let begin = |code| {
        status = code;
        true
    };
    let mut bytes = |code: u16, piece: &[u8]| {
        if code != 200 {
            body.extend_from_slice(&piece[..piece.len().min(64 << 10)]);
            return body.len() < 64 << 10;
        }
        let lines = splitter.take(piece);
        lines.is_empty() || say(heard, Said::Lines(turn, lines))
    };
    let ended = client.follow(&path, stop, begin, &mut bytes);
    let words = match ended {
        Ok(()) if status == 200 => "no more comes".to_owned(),
        Ok(()) => refusal(status, &body).detail,
        Err(error) => error.to_string(),
    };
    say(heard, Said::LogEnded(turn, words));
}
