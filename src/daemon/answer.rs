//! What visitors ask, and what the loop answers. Who does not wait for the answer any more is no error.

use super::past::Past;
use super::report;
use super::turn::Supervisor;
use crate::api::call::{Between, Call, Facts, InstanceFacts, Planned};
use crate::decide::event::Event;
use crate::decide::view::Slot;
use crate::host::clock;
use crate::model::diagnostic::Diagnostic;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::order::{Author, Done};
use crate::model::selector::Target;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

impl Supervisor {
    /// A visitor asks.
    pub(super) fn answer(&mut self, call: Call) {
        match call {
            Call::Status(answer) => {
                // Also what happened in this very turn.
                self.renew();
                let _ = answer.send(self.publisher.snapshot());
            }
            Call::Select(selectors, answer) => {
                let _ = answer.send(self.fleet.select(&selectors));
            }
            Call::Owned(uid, answer) => {
                let _ = answer.send(self.fleet.owned_by(uid));
            }
            Call::Trouble(trouble) => {
                self.door.trouble = trouble;
                self.renew_envelope(clock::now());
            }
            Call::Facts(name, answer) => {
                let _ = answer.send(self.facts(&name));
            }
            Call::AllFacts(answer) => {
                let _ = answer.send(self.fleet.names().filter_map(|name| self.facts(name)).collect());
            }
            Call::Findings(answer) => {
                let _ = answer.send(self.fleet.file_findings());
            }
            Call::Series(answer) => {
                self.renew();
                let _ = answer.send(self.publisher.series());
            }
            Call::LogLevel(to, answer) => {
                let _ = answer.send(self.trace.tell(to.as_deref()));
            }
            Call::Directories(answer) => {
                let _ = answer.send(self.places.directories());
            }
            Call::History(name, answer) => self.planner.readers.ask(self.past(name), answer, Past::history),
            Call::Difference(name, Between { from, to }, answer) => {
                self.planner
                    .readers
                    .ask(self.past(name), answer, move |past| past.difference(from.as_deref(), to.as_deref()));
            }
            Call::Earlier(name, to, answer) => {
                self.planner.readers.ask(self.past(name), answer, move |past| past.choose(to.as_deref()));
            }
            Call::Order(order, answer) => {
                let call = self.door.note(&order, answer);
                self.handle(Event::Ordered { call, order });
            }
            Call::Input(target, author, answer) => {
                let _ = answer.send(self.input(&target, &author));
            }
            Call::LookAnew => self.look_anew(),
            Call::End(author) => {
                report::order("shutdown", &author, &[]);
                self.handle(Event::Shutdown);
            }
            Call::Plan(Some(directory), answer) => {
                let names = self.fleet.names();
                let in_force = names.filter_map(|name| Some((name.clone(), self.fleet.accepted(name)?.clone())));
                self.planner.plan(directory, in_force.collect(), answer);
            }
            Call::Plan(None, answer) => {
                let standing = self.fleet.file_findings().into_iter().map(|standing| standing.finding);
                let findings = standing.filter(Diagnostic::is_error).collect();
                let _ = answer.send(Ok(Planned { plan: self.fleet.pending(clock::now()), findings }));
            }
        }
    }

    /// Where something can be written for an instance to read; it is written down who does.
    fn input(&self, target: &Target, author: &Author) -> Option<io::Result<OwnedFd>> {
        let instance = InstanceId::new(target.service.clone(), target.index.unwrap_or(0));
        let input = self.host.input(&instance)?;
        let words = match &input {
            Ok(_) => "its standard input is written to".to_owned(),
            Err(error) => format!("its standard input cannot be written to: {error}"),
        };
        let done = Done { target: target.to_string(), done: input.is_ok(), words, refused: input.is_err() };
        report::order("input", author, &[done]);
        Some(input)
    }

    fn past(&self, service: ServiceName) -> Past {
        let in_force = self.fleet.accepted(&service).map(|definition| definition.version);
        Past { service, state: self.places.state.clone(), in_force, powers: self.planner.powers }
    }

    /// A service whose file was never good has no facts: nothing of it ever ran.
    fn facts(&self, name: &ServiceName) -> Option<Facts> {
        let shown = |Slot { id, numbered, process, definition }: Slot<'_>| {
            let log = self.host.log_path(id, definition, numbered).map(PathBuf::from);
            let streams = self.host.log_paths(id, definition, numbered);
            (InstanceFacts { index: id.index, numbered, process, log, streams }, definition.clone())
        };
        let (instances, definitions): (Vec<_>, Vec<_>) = self.fleet.slots(name)?.map(shown).unzip();
        // One that is removed and on its way down goes as what it was.
        let definition = self.fleet.accepted(name).or(definitions.first())?.clone();
        let keeper = nix::unistd::getppid().as_raw();
        Some(Facts { definition, instances, keeper })
    }
}
