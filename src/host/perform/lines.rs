//! Readiness by a line of the output: the logger looks for it, and is asked before the process is made, so that
//! what the pipe holds of an earlier run does not count.

use super::Host;
use super::output::attach;
use crate::decide::event::{Event, RunId};
use crate::host::spawn::{Order, no_pipe};
use crate::log::order as logger;
use crate::model::check::{Check, Sign};
use crate::model::name::InstanceId;
use crate::model::outcome::Failure;

/// A line that is waited for in a slot's output.
#[derive(Debug)]
pub(super) struct Awaited {
    run: RunId,
    pattern: String,
    /// The start that waits for the logger's word that it looks.
    held: Option<Order>,
}

impl Awaited {
    pub(super) fn order(&self, slot: u32) -> logger::Order {
        let (pattern, fresh) = (Some(self.pattern.clone()), self.held.is_some());
        logger::Order::Watch { slot, run: self.run.0, pattern, fresh }
    }
}

impl Host {
    /// Orders a start, at once or when the logger looks for the line that it is ready by.
    pub(super) fn order_start(&mut self, order: Order) {
        let pattern = match order.definition.service.ready.as_deref().map(|ready| &ready.check) {
            Some(Check::Log(pattern)) => pattern.clone(),
            _ => return self.spawner.order(order),
        };
        let (slot, run) = (order.slot as u32, order.run);
        match self.pipes.make(order.slot) {
            Err(error) => return self.refuse_start(&order.instance, run, no_pipe(&error)),
            Ok(false) => {}
            Ok(true) => {
                if let Some(seat) = self.seats.get_mut(&order.instance) {
                    seat.attached = true;
                    self.logger.send(&attach(order.instance.index, seat, None));
                }
            }
        }
        let awaited = Awaited { run, pattern, held: Some(order) };
        self.logger.send(&awaited.order(slot));
        self.lines.insert(slot, awaited);
    }

    /// A run of an earlier supervisor has still to say its line.
    pub(super) fn await_line_again(&mut self, slot: u32, run: RunId, pattern: String) {
        self.lines.insert(slot, Awaited { run, pattern, held: None });
        self.remind_of_line(slot);
    }

    /// Gives up a start that still waits for the logger. Whether there was one.
    pub(super) fn abandon_held(&mut self, instance: &InstanceId, slot: u32, run: RunId) -> bool {
        let held = self.lines.get(&slot).is_some_and(|line| line.run == run && line.held.is_some());
        if held {
            let reason = "the logger, which is to look for the line of `[ready] log`, does not answer; look after the disk of its log";
            self.refuse_start(instance, run, Failure::Prepare(reason.to_owned()));
        }
        held
    }

    fn refuse_start(&mut self, instance: &InstanceId, run: RunId, failure: Failure) {
        if let Some(seat) = self.seats.get_mut(instance) {
            seat.run = crate::host::seat::Run::None;
            let slot = seat.slot;
            self.forget_readiness(slot);
        }
        self.events.push_back(Event::SpawnFailed { instance: instance.clone(), run, failure });
    }

    /// The logger looks: what it reads from here on is of this run.
    pub(super) fn watching(&mut self, slot: u32, run: RunId) {
        let awaited = self.lines.get_mut(&slot).filter(|line| line.run == run);
        if let Some(order) = awaited.and_then(|line| line.held.take()) {
            self.spawner.order(order);
        }
    }

    /// The logger found it.
    pub(super) fn matched(&mut self, slot: u32, run: RunId) {
        if self.lines.get(&slot).is_some_and(|line| line.run == run) {
            self.lines.remove(&slot);
            self.sign(slot, Some(run), Sign::Ready);
        }
    }

    /// Tells a logger that does not know, or no longer, what is looked for in a slot.
    pub(super) fn remind_of_line(&mut self, slot: u32) {
        if let Some(awaited) = self.lines.get(&slot) {
            let order = awaited.order(slot);
            self.logger.send(&order);
        }
    }

    /// The run that a line was waited for is over.
    pub(super) fn forget_line(&mut self, slot: u32) {
        if let Some(Awaited { run, .. }) = self.lines.remove(&slot) {
            self.logger.send(&logger::Order::Watch { slot, run: run.0, pattern: None, fresh: false });
        }
    }
}
