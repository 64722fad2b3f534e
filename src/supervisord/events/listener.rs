//! One process of a pool: what it says on its standard output, and where that brings it.

use super::Notice;
use serde::{Deserialize, Serialize};

const READY: &[u8] = b"READY\n";
/// `RESULT ` and any other word of this length: only what follows it is looked at.
const RESULT: usize = 7;
/// The longest line that is waited for: a length is never as long.
const LONGEST: usize = 256;

/// Where a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for an event.
    Ready,
    /// It has an event.
    Busy,
    /// It has not said yet that it waits.
    Acknowledged,
    /// It broke the protocol: nothing more comes to it until it is started again.
    Unknown,
}

impl State {
    /// The number of the state.
    pub fn code(self) -> i32 {
        match self {
            Self::Ready => 10,
            Self::Busy => 20,
            Self::Acknowledged => 30,
            Self::Unknown => 40,
        }
    }

    /// The name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Busy => "BUSY",
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Acknowledged,
    Ready,
    Busy(Notice, Answer),
    Unknown,
}

/// How far the answer to an event was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    /// Not to the end of its first line.
    Line,
    /// So many bytes of the body are to come.
    Body(u64),
}

/// What a listener said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Ready,
    Accepted,
    Rejected(Notice),
    /// It broke the protocol with these bytes; the event that it had, if any.
    Broke(Vec<u8>, Option<Notice>),
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listener {
    pub(super) name: String,
    /// Only who is past startsecs gets events.
    pub(super) running: bool,
    phase: Phase,
    /// What came, and is not understood yet. Never long.
    partial: Vec<u8>,
}

impl Listener {
    pub(super) fn new(name: String) -> Self {
        Self { name, running: false, phase: Phase::Acknowledged, partial: Vec::new() }
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Acknowledged => State::Acknowledged,
            Phase::Ready => State::Ready,
            Phase::Busy(..) => State::Busy,
            Phase::Unknown => State::Unknown,
        }
    }

    pub(super) fn notice(&self) -> Option<&Notice> {
        match &self.phase {
            Phase::Busy(notice, _) => Some(notice),
            _ => None,
        }
    }

    pub(super) fn takes_events(&self) -> bool {
        self.running && self.phase == Phase::Ready
    }

    pub(super) fn take(&mut self, notice: Notice) {
        self.phase = Phase::Busy(notice, Answer::Line);
    }

    /// There is no process any more, or a new one. Gives back the event that the old one had.
    pub(super) fn begin_again(&mut self) -> Option<Notice> {
        self.running = false;
        self.partial.clear();
        busy_with(std::mem::replace(&mut self.phase, Phase::Acknowledged))
    }

    /// Nothing more can come to it. Gives back the event that it had.
    pub(super) fn distrust(&mut self) -> Option<Notice> {
        self.partial.clear();
        busy_with(std::mem::replace(&mut self.phase, Phase::Unknown))
    }

    /// Takes what it wrote, as far as it means something: the rest stays in `bytes`.
    pub(super) fn hear(&mut self, bytes: &mut &[u8]) -> Option<Heard> {
        match &mut self.phase {
            Phase::Unknown => {
                *bytes = &[];
                None
            }
            Phase::Ready if bytes.is_empty() => None,
            Phase::Ready => Some(Heard::Broke(bytes.iter().take(LONGEST).copied().collect(), self.distrust())),
            Phase::Acknowledged => self.hear_word(bytes),
            Phase::Busy(_, Answer::Line) => self.hear_line(bytes),
            Phase::Busy(_, Answer::Body(_)) => self.hear_body(bytes),
        }
    }

    fn hear_word(&mut self, bytes: &mut &[u8]) -> Option<Heard> {
        self.gather(bytes, READY.len());
        if self.partial.len() < READY.len() {
            return None;
        }
        if self.partial != READY {
            return Some(self.broke());
        }
        self.partial.clear();
        self.phase = Phase::Ready;
        Some(Heard::Ready)
    }

    fn hear_line(&mut self, bytes: &mut &[u8]) -> Option<Heard> {
        let room = LONGEST.saturating_sub(self.partial.len());
        match memchr::memchr(b'\n', &bytes[..bytes.len().min(room)]) {
            None => {
                self.gather(bytes, LONGEST);
                if self.partial.len() < LONGEST { None } else { Some(self.broke()) }
            }
            Some(end) => {
                self.partial.extend(&bytes[..end]);
                *bytes = &bytes[end + 1..];
                let Some(length) = length(&self.partial) else { return Some(self.broke()) };
                self.partial.clear();
                if let Phase::Busy(_, answer) = &mut self.phase {
                    *answer = Answer::Body(length);
                }
                self.hear(bytes)
            }
        }
    }

    fn hear_body(&mut self, bytes: &mut &[u8]) -> Option<Heard> {
        let Phase::Busy(_, Answer::Body(left)) = &mut self.phase else { return None };
        let (body, rest) = bytes.split_at(usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len()));
        *left -= body.len() as u64;
        let is_whole = *left == 0;
        *bytes = rest;
        // One byte more than `OK` has is enough to see that it is something else.
        let room = 3_usize.saturating_sub(self.partial.len());
        self.partial.extend(body.iter().take(room));
        is_whole.then(|| self.conclude())
    }

    /// Moves bytes until `most` are there.
    fn gather(&mut self, bytes: &mut &[u8], most: usize) {
        let (now, rest) = bytes.split_at(bytes.len().min(most.saturating_sub(self.partial.len())));
        self.partial.extend(now);
        *bytes = rest;
    }

    fn broke(&mut self) -> Heard {
        let said = std::mem::take(&mut self.partial);
        Heard::Broke(said, self.distrust())
    }

    /// The body is whole.
    fn conclude(&mut self) -> Heard {
        let accepted = std::mem::take(&mut self.partial) == b"OK";
        match busy_with(std::mem::replace(&mut self.phase, Phase::Acknowledged)) {
            Some(notice) if !accepted => Heard::Rejected(notice),
            _ => Heard::Accepted,
        }
    }
}

fn busy_with(phase: Phase) -> Option<Notice> {
    match phase {
        Phase::Busy(notice, _) => Some(notice),
        _ => None,
    }
}

/// The number in the line of a result.
fn length(line: &[u8]) -> Option<u64> {
    str::from_utf8(line.get(RESULT..)?).ok()?.trim().parse().ok()
}
