//! Files that somebody has named, in the hands of a worker: made before anybody looks for them, written, waited for.

use super::Worker;
use crate::log::order::{Destination, Report};
use crate::logger::capture::Outcome;
use crate::logger::lane::Lane;
use crate::logger::named::{self, NamedSink};
use crate::logger::pipes::outlet;
use crate::logger::raw::Raw;
use crate::logger::sink::eyes;
use crate::logger::slot::{Memory, Slot};
use crate::logger::trouble::Trouble;
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use std::ops::Range;

impl Worker {
    /// Makes those of a slot that are not there: who looks for the log of a service that says nothing finds an empty one.
    pub(super) fn make_files(&mut self, slot: u32) {
        let Some(Slot { to, output, .. }) = self.memory.slots.get_mut(&slot) else { return };
        let Some(files) = to.policy.files() else { return };
        let mut amiss = false;
        for (file, index) in files.each().into_iter().zip(0..) {
            let Some(file) = file else { continue };
            let made = eyes(to).and_then(|_eyes| named::make(file, to.uid()));
            // For want of descriptors the first byte makes it.
            if let Some(trouble) = made.err().filter(|trouble| !trouble.is_of_others()) {
                output.get_or_insert_default().fares[index].trouble = Some(trouble);
                amiss = true;
            }
        }
        if amiss && let Some(message) = output.as_ref().and_then(|output| output.trouble()) {
            self.outbox.send(Report::Trouble { slot, message: Some(message) });
        }
    }

    /// Writes what was looked at to the file of that pipe.
    pub(super) fn write_raw(&mut self, slot: u32, second: bool, part: Range<usize>, all: bool) -> Outcome {
        let Memory { slots, look, scratch, .. } = &mut self.memory;
        let Some(known) = slots.get_mut(&slot) else { return Outcome::default() };
        let index = known.file_of(second);
        let Slot { ways, to, output, .. } = known;
        let (Some(files), Some(way)) = (to.policy.files(), &ways[usize::from(second)]) else {
            return Outcome::default();
        };
        let output = output.get_or_insert_default();
        let (lane, pipe, file) = (&self.lane, &way.pipe, files.each()[index]);
        let lost = output.losses.total();
        let raw = Raw { lane, slot, pipe, second, to, index, file, all };
        let outcome = raw.write(&look[part], &mut output.named[index], &mut output.losses, scratch);
        output.loss_unreported |= output.losses.total() != lost;
        if outcome.trouble.as_ref().is_some_and(Trouble::is_slowness) {
            self.wait_for(slot, index);
        }
        outcome
    }

    /// Has itself woken once when who reads a slot's file has made room.
    fn wait_for(&self, slot: u32, index: usize) {
        let output = self.memory.slots.get(&slot).and_then(|known| known.output.as_ref());
        let Some(file) = output.and_then(|output| output.named[index].outlet()) else { return };
        let mut event = EpollEvent::new(EpollFlags::EPOLLOUT | EpollFlags::EPOLLONESHOT, outlet(slot));
        // What cannot be waited for is tried again by the clock.
        if self.epoll.add(file, event) == Err(Errno::EEXIST) {
            let _ = self.epoll.modify(file, &mut event);
        }
    }
}

/// Gives the files of a slot their rotated names, unless nothing is in them.
pub(super) fn rotate_files(to: &Destination, sinks: &mut [NamedSink; 2], lane: &Lane) -> Result<(), Trouble> {
    let _eyes = eyes(to)?;
    let files = to.policy.files().map(|files| files.each()).unwrap_or_default();
    for (file, sink) in files.into_iter().zip(sinks) {
        let Some(file) = file.filter(|file| sink.is_open() || named::exists(file)) else { continue };
        if sink.place(file, to.uid(), lane)?.is_some_and(|place| place.size > 0) {
            sink.rotate(file, to.uid(), lane)?;
        }
    }
    Ok(())
}
