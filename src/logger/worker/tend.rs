//! What a worker does by the clock and by order: tries again, closes, rotates, keeps its books.

use super::files::rotate_files;
use super::{IDLE, PATIENCE, Worker};
use crate::log::order::Report;
use crate::logger::capture::rotate_now;
use crate::logger::lane::SMALL;
use crate::logger::slot::{BETWEEN_REPORTS, Memory, Slot};
use nix::fcntl::{FcntlArg, fcntl};
use std::time::Instant;

impl Worker {
    pub(super) fn tend_file(&mut self, slot: u32, rotate: bool) {
        for second in [false, true] {
            self.turn(slot, second, Instant::now(), false);
        }
        let Self { memory, lane, packer, outbox, .. } = self;
        let Some(Slot { to, output, .. }) = memory.slots.get_mut(&slot) else { return };
        let output = output.get_or_insert_default();
        let rotated = match to.policy.files() {
            _ if !rotate => Ok(()),
            Some(_) => rotate_files(to, &mut output.named, lane),
            None => rotate_now(&mut output.sink, to, packer),
        };
        if let Err(trouble) = rotated {
            outbox.send(Report::Trouble { slot, message: Some(trouble.to_string()) });
        }
        output.close();
    }

    /// Nothing more will come: the log says what it owes, and so do we.
    pub(super) fn close_books(&mut self, slot: u32, now: Instant) {
        if let Some(output) = self.memory.slots.get_mut(&slot).and_then(|known| known.output.as_mut())
            && output.losses.unowned_limited().0 > 0
        {
            output.last_limited = None;
            self.write(slot, false, 0, now, false);
        }
        self.report_loss(slot, now);
    }

    pub(super) fn report_loss(&mut self, slot: u32, now: Instant) {
        let Some(output) = self.memory.slots.get_mut(&slot).and_then(|known| known.output.as_mut()) else { return };
        if std::mem::take(&mut output.loss_unreported) {
            output.last_report = Some(now);
            let (bytes, lines) = output.losses.total();
            self.outbox.send(Report::Dropped { slot, bytes, lines });
        }
    }

    /// Closes every file. True if there was one.
    pub(super) fn close_all(&mut self) -> bool {
        let outputs = self.memory.slots.values_mut().filter_map(|slot| slot.output.as_mut());
        let open = outputs.filter(|output| output.is_open()).map(|output| output.close());
        open.count() > 0
    }

    /// A slot is to be looked after at that time, or before.
    pub(super) fn wake_for(&mut self, slot: u32, at: Instant) {
        let Some(known) = self.memory.slots.get_mut(&slot) else { return };
        let output = known.output.get_or_insert_default();
        if !std::mem::replace(&mut output.active, true) {
            self.memory.active.push(slot);
        }
        self.memory.deadline = Some(self.memory.deadline.map_or(at, |deadline| deadline.min(at)));
    }

    /// What a flood has taken is given back.
    fn shrink(&mut self, slot: u32) {
        let Memory { slots, grown, look, scratch, .. } = &mut self.memory;
        for way in slots.get_mut(&slot).iter_mut().flat_map(|known| known.ways.iter_mut().flatten()) {
            if way.grown == Some(true) && fcntl(&way.pipe, FcntlArg::F_SETPIPE_SZ(SMALL as i32)).is_err() {
                // It holds more than that just now.
                continue;
            }
            *grown -= usize::from(way.grown.take() == Some(true));
        }
        if *grown == 0 {
            (*look, *scratch) = (Vec::new(), Vec::new());
        }
    }

    /// Writes lines whose end does not come, tries again what failed, closes files that got nothing for a while, and
    /// reports losses that waited.
    pub(super) fn tend(&mut self, now: Instant) {
        self.memory.deadline = None;
        for slot in std::mem::take(&mut self.memory.active) {
            self.tend_to(slot, now);
            let Some(known) = self.memory.slots.get_mut(&slot) else { continue };
            // What is not tried before a certain time is not waited for as well.
            let waited_for = [false, true].into_iter().filter(|second| known.retry(*second).is_none());
            let unfinished = waited_for.filter_map(|second| known.ways[usize::from(second)].as_ref()?.unfinished);
            let unfinished = unfinished.min().map(|since| since + PATIENCE);
            let Some(output) = known.output.as_mut() else { continue };
            output.active = false;
            let closing = output.may_rest().then(|| output.last_used.map_or(now, |used| used + IDLE));
            let reporting = output.last_report.filter(|_| output.loss_unreported).map(|last| last + BETWEEN_REPORTS);
            let retry = output.fares.iter().filter_map(|fare| fare.retry).map(|(at, _)| at).min();
            let limited = output.limited_at(now).filter(|_| retry.is_none());
            let next = [closing, reporting, retry, unfinished, limited].into_iter().flatten().min();
            if let Some(next) = next {
                self.wake_for(slot, next.max(now));
            }
        }
    }

    fn tend_to(&mut self, slot: u32, now: Instant) {
        for second in [false, true] {
            let Some(known) = self.memory.slots.get(&slot) else { return };
            let Some(way) = &known.ways[usize::from(second)] else { continue };
            if way.unfinished.is_some_and(|since| since + PATIENCE <= now)
                && known.retry(second).is_none_or(|at| at <= now)
            {
                self.turn(slot, second, now, true);
            }
        }
        let Some(output) = self.memory.slots.get_mut(&slot).and_then(|known| known.output.as_mut()) else { return };
        // Nothing to write but what it owes to the reader: how much is lost.
        let retry = output.fares[0].retry.map(|(at, _)| at);
        let retried = output.losses.unowned().0 > 0 && retry.is_some_and(|at| at <= now);
        let limited = output.limited_at(now).is_some_and(|at| at <= now) && retry.is_none_or(|at| at <= now);
        if retried || limited {
            self.write(slot, false, 0, now, false);
        }
        let Some(output) = self.memory.slots.get_mut(&slot).and_then(|known| known.output.as_mut()) else { return };
        // What failed again is to be tried later, and nothing else is left to try.
        for fare in &mut output.fares {
            fare.retry = fare.retry.filter(|(at, _)| *at > now);
        }
        if output.last_used.is_none_or(|used| used + IDLE <= now) {
            output.rest();
            self.shrink(slot);
        }
        let Some(output) = self.memory.slots.get(&slot).and_then(|known| known.output.as_ref()) else { return };
        if output.loss_unreported && output.last_report.is_none_or(|last| now - last >= BETWEEN_REPORTS) {
            self.report_loss(slot, now);
        }
    }
}
