//! From a look at a pipe to its file: in its form, in files that are small enough, each byte once.

use super::lane::Lane;
use super::packer::Packer;
use super::sink::{Failed, Sink, eyes, give_up_oldest, now};
use super::trouble::Trouble;
use crate::log::format::{Formatter, Stream, Taken, Whose};
use crate::log::order::Destination;
use crate::log::select::{Gate, Sieve, Tally};
use crate::model::logging::OnFull;
use crate::table::{Intent, Losses};
use std::os::fd::OwnedFd;

/// What is captured, and where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capture<'a> {
    pub(super) lane: &'a Lane,
    pub(super) packer: &'a Packer,
    pub(super) slot: u32,
    /// By which of its pipes.
    pub(super) pipe: &'a OwnedFd,
    pub(super) stream: Stream,
    pub(super) to: &'a Destination,
    /// What goes through, if not all.
    pub(super) sieve: Option<&'a Sieve>,
    /// The pid of its main process.
    pub(super) pid: i32,
    /// Whether the unfinished line at the end is complete.
    pub(super) all: bool,
}

/// Rotates a log that somebody wants rotated, unless nothing is in it.
pub(super) fn rotate_now(sink: &mut Sink, to: &Destination, packer: &Packer) -> Result<(), Trouble> {
    let _eyes = eyes(to)?;
    if !sink.exists(to) || sink.place(to)?.size == 0 {
        return Ok(());
    }
    sink.rotate(to)?;
    packer.order(to);
    Ok(())
}

/// What is kept book of from one look to the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Books {
    pub(super) losses: Losses,
    pub(super) gate: Gate,
    /// Whether the log is to say now what came faster than it may: not with each batch of a flood.
    pub(super) tells_limited: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// So many bytes are taken from the pipe, written or lost.
    pub(super) taken: usize,
    pub(super) trouble: Option<Trouble>,
}

impl<'a> Capture<'a> {
    /// Writes what of `bytes`, which are the first that the pipe holds, is complete; what cannot be written is lost
    /// and counted in the `books`, or stays.
    pub(super) fn write(&self, bytes: &[u8], sink: &mut Sink, books: &mut Books, scratch: &mut Vec<u8>) -> Outcome {
        let formatter = self.formatter(self.stream);
        let mut outcome = Outcome::default();
        // After a write that came to a stop: as much as there was room for.
        let mut stopped: Option<(u64, Trouble)> = None;
        loop {
            let rest = &bytes[outcome.taken..];
            if rest.is_empty() && outcome.taken > 0 {
                return outcome;
            }
            let room = stopped.as_ref().map_or(u64::MAX, |(room, _)| *room);
            match (self.batch(&formatter, rest, room, sink, books, scratch), stopped.take()) {
                (Ok(taken), None) if taken.bytes == 0 && !taken.full => return outcome,
                (Ok(taken), None) => outcome.taken += taken.bytes,
                (Ok(taken), Some(_)) if taken.bytes > 0 => outcome.taken += taken.bytes,
                (Err(Failed { trouble, .. }), _) if trouble.is_want_of_space() && give_up_oldest(self.to) => {}
                (Err(Failed { written, trouble }), None) if written > 0 => stopped = Some((written as u64, trouble)),
                (Ok(_), Some((_, trouble))) | (Err(Failed { trouble, .. }), _) => {
                    sink.close();
                    if !trouble.is_of_others() && self.to.policy.on_full == OnFull::Drop {
                        outcome.taken += self.lose(&formatter, rest, books, scratch);
                    }
                    outcome.trouble = Some(trouble);
                    return outcome;
                }
            }
        }
    }

    fn formatter(&self, stream: Stream) -> Formatter<'a> {
        let Destination { policy, service, instance, .. } = self.to;
        let whose = Whose { service, instance: *instance, pid: self.pid };
        Formatter::new(policy.format, policy.max_line, whose, stream, now()).through(self.sieve)
    }

    /// One write of at most `most` bytes, and what goes with it.
    fn batch(
        &self,
        formatter: &Formatter<'_>,
        bytes: &[u8],
        most: u64,
        sink: &mut Sink,
        books: &mut Books,
        scratch: &mut Vec<u8>,
    ) -> Result<Taken, Failed> {
        let failed = |trouble| Failed { written: 0, trouble };
        let _eyes = eyes(self.to).map_err(failed)?;
        let place = sink.place(self.to).map_err(failed)?;
        if place.size > 0 && self.is_over(place.written) {
            self.rotate(sink).map_err(failed)?;
            return Ok(Taken { full: true, ..Taken::default() });
        }
        scratch.clear();
        let mut after = self.own_up(*books, scratch);
        let left = self.to.policy.max_size.max(1).saturating_sub(place.size + scratch.len() as u64).min(most);
        // A line that is larger than a file may be has a file of its own.
        let at_least_one = place.size == 0 && most == u64::MAX;
        let verbatim = formatter.is_verbatim() && scratch.is_empty();
        let taken = if verbatim {
            formatter.measure(bytes, self.all, left, at_least_one)
        } else {
            formatter.write(bytes, self.all, left, at_least_one, &mut after.gate, scratch)
        };
        let batch = if verbatim { &bytes[..taken.bytes] } else { &scratch[..] };
        let rotates = taken.full && most == u64::MAX;
        if taken.bytes == 0 && (taken.full || batch.is_empty()) {
            if rotates {
                self.rotate(sink).map_err(failed)?;
            }
            return Ok(taken);
        }
        after.count_limited(taken.limited);
        let intent = Intent {
            slot: self.slot,
            second: self.stream == Stream::Err,
            file: (!batch.is_empty()).then_some((place.id.0, place.id.1, place.size)),
            losses: after.losses,
            ..Intent::default()
        };
        self.lane.speak_of(self.slot, false, || self.to.path());
        self.lane.intend(&intent, &bytes[..taken.bytes]);
        if let Err(failed) = sink.append(self.to, batch) {
            sink.cut(place);
            self.lane.desist();
            return Err(failed);
        }
        self.take(&intent, taken.bytes);
        *books = after;
        if rotates {
            // What is written stays written: why it cannot be rotated is said when there is no room for the next line.
            let _ = self.rotate(sink);
        }
        Ok(taken)
    }

    /// Whether the span of time is over that the file is for.
    fn is_over(&self, written: i64) -> bool {
        self.to.policy.rotate.is_some_and(|every| every.span_of(written) < every.span_of(now()))
    }

    fn rotate(&self, sink: &mut Sink) -> Result<(), Trouble> {
        sink.rotate(self.to)?;
        self.packer.order(self.to);
        Ok(())
    }

    /// Before anything else is written, the log says what is missing in it.
    fn own_up(&self, mut books: Books, scratch: &mut Vec<u8>) -> Books {
        let losses = &mut books.losses;
        let (bytes, lines) = losses.unowned();
        if bytes > 0 {
            self.say(
                &format!("{lines} lines of output ({bytes} bytes) could not be written here, and are lost"),
                scratch,
            );
            (losses.owned_bytes, losses.owned_lines) = (losses.bytes, losses.lines);
        }
        let (bytes, lines) = losses.unowned_limited();
        if bytes > 0 && books.tells_limited {
            let rate = self.sieve.and_then(Sieve::rate).map_or_else(String::new, |rate| format!(" of {rate}"));
            self.say(
                &format!("{lines} lines of output ({bytes} bytes) over the rate limit{rate} are left out"),
                scratch,
            );
            (losses.owned_limited_bytes, losses.owned_limited_lines) = (losses.limited_bytes, losses.limited_lines);
            books.tells_limited = false;
        }
        books
    }

    fn say(&self, text: &str, scratch: &mut Vec<u8>) {
        let line = format!("{text}\n");
        let formatter = self.formatter(Stream::Abide).through(None);
        formatter.write(line.as_bytes(), true, u64::MAX, true, &mut Gate::default(), scratch);
    }

    /// Takes what cannot be written; how much that is.
    fn lose(&self, formatter: &Formatter<'_>, bytes: &[u8], books: &mut Books, scratch: &mut Vec<u8>) -> usize {
        scratch.clear();
        let taken = formatter.write(bytes, self.all, u64::MAX, true, &mut books.gate, scratch);
        if taken.bytes > 0 {
            books.count_limited(taken.limited);
            books.losses.bytes += taken.bytes as u64 - taken.left_out.bytes - taken.limited.bytes;
            books.losses.lines += taken.lines - taken.left_out.lines - taken.limited.lines;
            let second = self.stream == Stream::Err;
            let intent = Intent { slot: self.slot, second, losses: books.losses, ..Intent::default() };
            self.lane.intend(&intent, &bytes[..taken.bytes]);
            self.take(&intent, taken.bytes);
        }
        taken.bytes
    }

    fn take(&self, intent: &Intent, count: usize) {
        // Refused: somebody with our rights reads the pipe too, which cannot be mended here.
        if self.lane.take(self.pipe, intent, count).is_err() {
            self.lane.desist();
        }
    }
}

impl Books {
    fn count_limited(&mut self, limited: Tally) {
        self.losses.limited_bytes += limited.bytes;
        self.losses.limited_lines += limited.lines;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
