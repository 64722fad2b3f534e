//! From a look at a pipe to a file that somebody has named: byte by byte as it comes, each byte once.
//!
//! What is lost is counted, and not owned up to: such a file holds nothing but output. Into what is no regular file
//! bytes come once as long as we live; what was under way when we died may come there twice. Who has two services write
//! one file has them write in turn, but for the moment after our death: what one of them then wrote twice is cut off,
//! and with it, where they have different threads, what the other one wrote after that.

use super::capture::Outcome;
use super::lane::Lane;
use super::named::NamedSink;
use super::sink::{Failed, eyes};
use super::trouble::Trouble;
use crate::log::ansi::strip;
use crate::log::named::is_full;
use crate::log::order::Destination;
use crate::model::logging::{NamedFile, OnFull};
use crate::table::{Intent, Losses};
use memchr::memchr_iter;
use std::os::fd::OwnedFd;

/// What is written, and where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) lane: &'a Lane,
    pub(super) slot: u32,
    /// By which of its pipes.
    pub(super) pipe: &'a OwnedFd,
    pub(super) second: bool,
    pub(super) to: &'a Destination,
    /// Which of its files that is.
    pub(super) index: usize,
    /// `None`: it is thrown away.
    pub(super) file: Option<&'a NamedFile>,
    /// Whether nothing is waited for that would complete a sequence at the end.
    pub(super) all: bool,
}

impl Raw<'_> {
    /// Writes `bytes`, which are the first that the pipe holds; what cannot be written is lost and counted, or stays.
    pub(super) fn write(
        &self,
        bytes: &[u8],
        sink: &mut NamedSink,
        losses: &mut Losses,
        scratch: &mut Vec<u8>,
    ) -> Outcome {
        let Some(file) = self.file else {
            self.take(bytes, &Intent { losses: *losses, ..self.intent() });
            return Outcome { taken: bytes.len(), trouble: None };
        };
        let (mut taken, trouble) = self.batch(file, bytes, sink, *losses, scratch);
        if trouble.as_ref().is_some_and(|trouble| !trouble.is_of_rotation() && !trouble.is_of_others()) {
            sink.close();
            if self.to.policy.on_full == OnFull::Drop {
                self.lose(&bytes[taken..], losses);
                taken = bytes.len();
            }
        }
        Outcome { taken, trouble }
    }

    /// One write, and what goes with it. How much was taken, and why no more.
    fn batch(
        &self,
        file: &NamedFile,
        bytes: &[u8],
        sink: &mut NamedSink,
        losses: Losses,
        scratch: &mut Vec<u8>,
    ) -> (usize, Option<Trouble>) {
        let owner = self.to.uid();
        let ready = eyes(self.to).and_then(|eyes| Ok((sink.place(file, owner, self.lane)?, eyes)));
        let (place, _eyes) = match ready {
            Ok(ready) => ready,
            Err(trouble) => return (0, Some(trouble)),
        };
        let mut taken = self.form(file, bytes, usize::MAX, scratch);
        if taken == 0 {
            return (0, None);
        }
        let intent = Intent { file: place.map(|at| (at.id.0, at.id.1, at.size)), losses, ..self.intent() };
        if place.is_some() {
            self.lane.speak_of(self.slot, self.index > 0, || sink.path().unwrap_or_else(|| file.path.clone().into()));
        }
        self.lane.intend(&intent, &bytes[..taken]);
        let appended = sink.append(file, if file.strip_ansi { scratch } else { &bytes[..taken] });
        if let Err(Failed { written, .. }) = &appended {
            // What did get there counts, since it cannot be taken back from everywhere.
            taken = self.form(file, bytes, *written, scratch);
            if taken == 0 {
                self.lane.desist();
            } else {
                self.lane.intend(&intent, &bytes[..taken]);
            }
        }
        if taken > 0 {
            self.take_intended(&intent, taken);
        }
        let written = if file.strip_ansi { scratch.len() } else { taken } as u64;
        let trouble = appended.err().map(|failed| failed.trouble);
        let rotates = place.is_some_and(|at| is_full(at.size + written, file.max_size)) && trouble.is_none();
        (taken, trouble.or_else(|| if rotates { sink.rotate(file, owner, self.lane).err() } else { None }))
    }

    /// How much of `bytes` is taken where at most `room` of it are written, and in `scratch` what is, if that differs.
    fn form(&self, file: &NamedFile, bytes: &[u8], room: usize, scratch: &mut Vec<u8>) -> usize {
        if !file.strip_ansi {
            return bytes.len().min(room);
        }
        scratch.clear();
        strip(bytes, self.all, room, scratch)
    }

    /// Takes what cannot be written.
    fn lose(&self, bytes: &[u8], losses: &mut Losses) {
        losses.bytes += bytes.len() as u64;
        losses.lines += memchr_iter(b'\n', bytes).count() as u64;
        (losses.owned_bytes, losses.owned_lines) = (losses.bytes, losses.lines);
        self.take(bytes, &Intent { losses: *losses, ..self.intent() });
    }

    fn intent(&self) -> Intent {
        Intent { slot: self.slot, second: self.second, ..Intent::default() }
    }

    fn take(&self, bytes: &[u8], intent: &Intent) {
        if !bytes.is_empty() {
            self.lane.intend(intent, bytes);
            self.take_intended(intent, bytes.len());
        }
    }

    fn take_intended(&self, intent: &Intent, count: usize) {
        // Refused: somebody with our rights reads the pipe too, which cannot be mended here.
        if self.lane.take(self.pipe, intent, count).is_err() {
            self.lane.desist();
        }
    }
}
