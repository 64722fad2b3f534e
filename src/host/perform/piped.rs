//! Output that a program takes in place of the logger: the pipe is its standard input, and has the number of its slot.

use super::Host;
use crate::decide::event::{Event, RunId};
use crate::host::pipe;
use crate::host::seat::{Run, Seat};
use crate::model::desired::Definition;
use crate::model::logging::{LogWay, StderrTo};
use crate::model::name::InstanceId;
use crate::model::service::Service;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The number of the pipe that takes the errors of one in `slot`, where that is another than its output's: what is logged
/// in `log/` is stdout alone.
pub(super) fn errors_of(service: &Service, slot: u32) -> Option<usize> {
    let is_apart = matches!(service.log.way.as_deref(), Some(LogWay::Directory(_)));
    (is_apart && !service.log.inherits() && service.log.stderr != StderrTo::Discard).then_some(slot as usize)
}

impl Host {
    /// The number of the pipe that takes the output of `instance`, which has a seat. A log command that has none yet gets
    /// one: its pipe is there before it is. `None`: no seat is left.
    pub(super) fn output_of(&mut self, instance: &InstanceId, definition: &Definition) -> Option<usize> {
        let Some(reader) = definition.service.log_command_name() else {
            return self.seats.get(instance).map(|seat| seat.slot as usize);
        };
        let id = InstanceId::new(reader, instance.index);
        if let Some(seat) = self.seats.get(&id).filter(|seat| !seat.leaving) {
            return Some(pipe::input(seat.slot as usize));
        }
        let reader = definition.service.log_command()?;
        let numbered = reader.instances > 1;
        let seat = self.seat_of(&id, &Arc::new(Definition::from(reader)), numbered)?;
        Some(pipe::input(seat.slot as usize))
    }

    /// The end at which something can be written for `instance` to read, where its standard input is a pipe for that.
    /// `None`: it is none, or it has no process.
    pub fn input(&self, instance: &InstanceId) -> Option<io::Result<OwnedFd>> {
        let seat = self.seats.get(instance).filter(|seat| seat.definition.service.program.is_some())?;
        let lives = matches!(seat.run, Run::Living { .. });
        lives.then(|| self.pipes.open_to_write(pipe::input(seat.slot as usize)))
    }

    /// Who writes what this run reads is gone: it comes to the end of it.
    pub(super) fn end_input(&mut self, instance: InstanceId, run: RunId) {
        let Some(seat) = self.seats.get(&instance) else { return };
        self.ending_inputs.insert(seat.slot);
        if self.is_written(&instance) {
            self.events.push_back(Event::InputHeld { instance, run });
        }
    }

    /// Whether somebody writes what `reader` reads.
    fn is_written(&self, reader: &InstanceId) -> bool {
        let reads = self.seats.get(reader).and_then(|seat| seat.definition.service.reads.clone());
        reads.map(|service| InstanceId::new(service, reader.index)).is_some_and(|writer| {
            let seat = self.seats.get(&writer);
            seat.is_some_and(|seat| !matches!(seat.run, Run::None)) || self.errands.is_any_ordered_for(&writer)
        })
    }

    /// Lets go of the pipes of those that are to come to the end of what they read, where nobody writes it any more.
    pub(super) fn end_inputs(&mut self) {
        for slot in std::mem::take(&mut self.ending_inputs) {
            let reader = self.seats.sitting(slot).map(|(instance, _)| instance.clone());
            if reader.is_some_and(|reader| self.is_written(&reader)) {
                self.ending_inputs.insert(slot);
            } else if let Err(error) = self.pipes.release_one(pipe::input(slot as usize)) {
                self.cannot_release(slot, &error);
            }
        }
    }

    /// A seat whose instance never came.
    pub(super) fn leave_unread(&mut self, instance: &InstanceId) {
        let is_unused = |seat: &Seat| !seat.attached && matches!(seat.run, Run::None);
        if self.seats.get(instance).is_some_and(is_unused)
            && let Some(seat) = self.seats.leave(instance)
        {
            self.vacate(seat.slot);
        }
    }

    /// The slot, in which nothing is left, is free.
    pub(super) fn vacate(&mut self, slot: u32) {
        self.unwritten.insert(slot);
        self.release(slot);
        self.seats.free(slot);
    }
}
