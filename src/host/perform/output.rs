//! The output of instances: what the logger is told, and what it says.

use super::{Host, OwnLog, Tending, Trouble};
use crate::decide::event::{Event, RunId};
use crate::host::chores::Told;
use crate::host::seat::{Run, Seat, log_directory};
use crate::log::order::{self as logger, Destination, Owner};
use crate::log::rotate::LogFile;
use crate::model::desired::Definition;
use crate::model::logging::{LogPolicy, LogWay, NamedFile, NamedFiles, StderrTo};
use crate::model::name::InstanceId;
use crate::model::order::LogAct;
use crate::model::policy::StopScope;
use crate::model::resources::Resources;
use crate::model::service::{Delegated, Identity, Service};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A slot whose instance is gone: where what its pipe still holds belongs.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) instance: InstanceId,
    pub(super) numbered: bool,
    pub(super) log: PathBuf,
    pub(super) policy: LogPolicy,
    pub(super) owner: Option<Owner>,
}

impl Closing {
    pub(super) fn orders(&self, slot: u32) -> [logger::Order; 2] {
        let to = destination(&self.log, LogFile::Current, &self.policy);
        let owner = self.owner.clone();
        let to = Destination { owner, service: self.instance.service.to_string(), instance: self.instance.index, ..to };
        [logger::Order::Attach { slot, to, rename_from: None }, logger::Order::Detach { slot }]
    }
}

impl Host {
    /// So much each delegated source may use from now on.
    pub fn bound_sources<'a>(&self, sources: impl Iterator<Item = (Delegated, &'a Resources)>) {
        self.groups.bound(sources);
    }

    /// So much of abide's own log is kept from now on.
    pub fn keep_own_log(&mut self, policy: LogPolicy) {
        if policy != self.own_log {
            self.own_log = policy;
            self.logger.send(&own_log(&self.log, &self.own_log));
        }
    }

    /// How abide's own log fares.
    pub fn own_log(&self) -> &OwnLog {
        &self.own_log_state
    }

    /// The file that takes the output of `instance`, if one does.
    pub fn log_path(&self, instance: &InstanceId, definition: &Definition, numbered: bool) -> Option<String> {
        let log = &definition.service.log;
        match log.way.as_deref() {
            _ if log.inherits() => return None,
            // What goes to where abide's own output goes is in no file that we know of.
            Some(LogWay::Files(files)) => {
                let mut file = files.first().filter(|file| file.standard().is_none())?.clone();
                place(&log_directory(&self.log, definition, instance, numbered), &mut file);
                return Some(file.path);
            }
            None | Some(LogWay::Directory(_)) => {}
            Some(_) => return None,
        }
        let directory = log_directory(&self.log, definition, instance, numbered);
        directory.join("current").into_os_string().into_string().ok()
    }

    /// The files that take its stdout and its stderr, each if one does.
    pub fn log_paths(&self, instance: &InstanceId, definition: &Definition, numbered: bool) -> [Option<String>; 2] {
        let log = &definition.service.log;
        if let Some(files) = log.files().filter(|_| !log.inherits()) {
            let directory = log_directory(&self.log, definition, instance, numbered);
            return files.each().map(|file| {
                let mut file = file.filter(|file| file.standard().is_none())?.clone();
                place(&directory, &mut file);
                Some(file.path)
            });
        }
        let path = self.log_path(instance, definition, numbered);
        let errors = path.clone().filter(|_| log.stderr == StderrTo::Separate);
        [path, errors]
    }

    pub(super) fn set_log(&mut self, instance: &InstanceId, definition: Arc<Definition>, numbered: bool) {
        let log = log_directory(&self.log, &definition, instance, numbered);
        let Some(seat) = self.seats.get_mut(instance) else { return };
        let moved = (seat.log != log).then(|| std::mem::replace(&mut seat.log, log));
        seat.definition = definition;
        seat.numbered = numbered;
        self.unwritten.insert(seat.slot);
        if seat.attached {
            let (slot, order) = (seat.slot, attach(instance.index, seat, moved.as_deref()));
            self.logger.send(&order);
            self.remind_of_line(slot);
        }
    }

    pub(super) fn tend_log(&mut self, instance: &InstanceId, act: LogAct) {
        let Some(slot) = self.seats.get(instance).filter(|seat| seat.attached).map(|seat| seat.slot) else { return };
        let order = self.tending.order(slot, act == LogAct::Rotate);
        self.logger.send(&order);
    }

    /// What logs are waited for to be rotated or opened anew.
    pub fn tending(&self) -> &Tending {
        &self.tending
    }

    pub(super) fn close(&mut self, instance: &InstanceId) {
        self.end_errands_of(instance);
        // One that is still being made would make the pipe anew after it was given up.
        if self.errands.is_any_ordered_for(instance) {
            if let Some(seat) = self.seats.get_mut(instance) {
                seat.leaving = true;
            }
            return;
        }
        let Some(seat) = self.seats.leave(instance) else { return };
        self.no_longer_awaited(seat.slot);
        self.give_up_group(instance, seat.definition.service.stop.scope);
        self.refusals.remove(&Some(instance.clone()));
        if let Some(reader) = seat.definition.service.log_command_name() {
            self.leave_unread(&InstanceId::new(reader, instance.index));
        }
        if !seat.attached {
            return self.vacate(seat.slot);
        }
        let Seat { slot, numbered, log, definition, .. } = seat;
        let (policy, owner) = (definition.service.log.clone(), owner(&definition.service));
        self.close_slot(slot, Closing { instance: instance.clone(), numbered, log, policy, owner });
    }

    /// What its pipe still holds is written, then it is free.
    pub(super) fn close_slot(&mut self, slot: u32, closing: Closing) {
        self.logger.send(&logger::Order::Detach { slot });
        self.unwritten.insert(slot);
        self.closing.insert(slot, closing);
    }

    fn give_up_group(&mut self, instance: &InstanceId, scope: StopScope) {
        if !self.groups.remove(instance, scope) {
            let (groups, instance) = (Arc::clone(&self.groups), instance.clone());
            self.chores.order(move || {
                groups.vacate(&instance);
                Told::Nothing
            });
        }
    }

    /// The end of all: waits until nobody is left in a group but who was left there on purpose. Blocks.
    pub fn leave(&mut self) {
        // Else a command that is being made could still become a process.
        self.spawner.finish();
        self.kill_errands();
        for (instance, seat) in self.seats.each() {
            self.groups.remove(instance, seat.definition.service.stop.scope);
        }
        self.groups.vacate_all();
        if let Some(notify) = &self.notify {
            notify.remove();
        }
        self.finish_displays();
        self.finish_records();
    }

    /// What the logger has to say; to be called when its socket is readable.
    pub fn reports(&mut self) {
        while let Some(report) = self.logger.receive() {
            match report {
                logger::Report::Hello => self.brief_logger(),
                logger::Report::Detached { slot } => self.detached(slot),
                logger::Report::Watching { slot, run } => self.watching(slot, RunId(run)),
                logger::Report::Tended { slot, number } => self.tending.done(slot, number),
                logger::Report::Matched { slot, run } => self.matched(slot, RunId(run)),
                logger::Report::Dropped { slot: 0, lines, .. } => self.own_log_state.lines_lost = lines,
                logger::Report::Trouble { slot: 0, message } => self.own_log_state.trouble = message,
                logger::Report::Dropped { slot, bytes, lines } => {
                    if let Some((instance, _)) = self.seats.at(slot) {
                        self.events.push_back(Event::LogDropped { instance, bytes, lines });
                    }
                }
                logger::Report::Refused { slot, message } => self.refused(slot, message),
                logger::Report::Trouble { slot, message } => {
                    // Of a slot that is closing the message alone must do.
                    let whose = self.seats.at(slot).map(|(instance, seat)| (instance, seat.numbered));
                    let (instance, numbered) = whose.map_or((None, false), |(one, numbered)| (Some(one), numbered));
                    let message = message.unwrap_or_else(|| "output is written again".to_owned());
                    self.troubles.push(Trouble { instance, numbered, message });
                }
            }
        }
    }

    /// The logger cannot read this slot's pipe: who writes to it would stand still once it is full.
    fn refused(&mut self, slot: u32, message: String) {
        let Some((instance, seat)) = self.seats.at(slot).filter(|(_, seat)| seat.attached) else { return };
        // So that the next start makes a new pipe and the logger hears of it.
        seat.attached = false;
        let numbered = seat.numbered;
        if let Run::Living { run } = seat.run {
            self.events.push_back(Event::Unheard { instance: instance.clone(), run });
        }
        self.troubles.push(Trouble { instance: Some(instance), numbered, message });
        self.logger.send(&logger::Order::Detach { slot });
        self.release(slot);
    }

    pub(super) fn release(&mut self, slot: u32) {
        self.ending_inputs.remove(&slot);
        if let Err(error) = self.pipes.release(slot as usize) {
            self.cannot_release(slot, &error);
        }
    }

    pub(super) fn cannot_release(&mut self, slot: u32, error: &std::io::Error) {
        let message = format!("could not give up the pipe of slot {slot}: {error}");
        self.troubles.push(Trouble { instance: None, numbered: false, message });
    }

    /// A new logger knows nothing.
    fn brief_logger(&mut self) {
        self.logger.forget();
        self.logger.send(&own_log(&self.log, &self.own_log));
        // What is looked for in a run that goes on comes before the pipe, which may hold it by now.
        let orders = self.lines.iter().map(|(slot, awaited)| awaited.order(*slot));
        let (ahead, after): (Vec<_>, Vec<_>) = orders.partition(logger::Order::comes_before_its_pipe);
        for order in &ahead {
            self.logger.send(order);
        }
        for (instance, seat) in self.seats.each().filter(|(_, seat)| seat.attached) {
            self.logger.send(&attach(instance.index, seat, None));
        }
        for order in &after {
            self.logger.send(order);
        }
        for order in self.tending.orders() {
            self.logger.send(&order);
        }
        for order in self.closing.iter().flat_map(|(slot, closing)| closing.orders(*slot)) {
            self.logger.send(&order);
        }
    }

    fn detached(&mut self, slot: u32) {
        if self.closing.remove(&slot).is_none() {
            return;
        }
        self.unwritten.insert(slot);
        // A grandchild may still hold the old pipe: the next tenant of the slot gets a new one.
        self.release(slot);
        self.seats.free(slot);
    }

    /// Whether the logger has still to be told something that its socket had no room for.
    pub fn has_pending(&self) -> bool {
        self.logger.has_pending()
    }

    /// Tells it, as far as there is room.
    pub fn flush(&mut self) {
        self.logger.flush();
    }
}

pub(super) fn attach(instance: u32, seat: &Seat, moved_from: Option<&Path>) -> logger::Order {
    let service = &seat.definition.service;
    let to = destination(&seat.log, LogFile::Current, &service.log);
    let to = Destination { owner: owner(service), service: service.name.to_string(), instance, ..to };
    // Files that somebody has named are in no directory of ours.
    let rename_from = moved_from.filter(|_| service.log.files().is_none()).map(Path::to_owned);
    logger::Order::Attach { slot: seat.slot, to, rename_from }
}

fn own_log(directory: &Path, policy: &LogPolicy) -> logger::Order {
    logger::Order::Attach { slot: 0, to: destination(directory, LogFile::Own, policy), rename_from: None }
}

/// Gives one that lies in the service's own directory its whole path.
fn place(directory: &Path, file: &mut NamedFile) {
    // A path that is no text cannot be sent: then it stays where nothing is found.
    if let Some(whole) = directory.join(&file.path).to_str().filter(|_| !file.path.starts_with('/')) {
        (file.path, file.in_our_directory) = (whole.to_owned(), true);
    }
}

fn destination(directory: &Path, file: LogFile, policy: &LogPolicy) -> Destination {
    // A log command is none of the logger's business.
    let mut way = policy.way.clone().filter(|_| policy.is_logged());
    if let Some(LogWay::Files(files)) = way.as_deref_mut() {
        for file in [&mut files.out, &mut files.err].into_iter().flatten() {
            place(directory, file);
        }
    }
    let policy = LogPolicy { way, ..policy.clone() };
    let named = policy.files().and_then(NamedFiles::first).and_then(|file| Path::new(&file.path).parent());
    let directory = named.unwrap_or(directory).to_owned();
    Destination { directory, file, policy, service: String::new(), instance: 0, owner: None }
}

/// With whose rights the log of `service` is written: in the place that the file of a delegated source names, with those
/// of its user.
pub(super) fn owner(service: &Service) -> Option<Owner> {
    let Identity { uid, gid, groups, .. } = &service.identity;
    service.is_logged_as_its_user().then(|| Owner { uid: *uid, gid: *gid, groups: groups.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logger_is_told_of_files_and_of_no_command() {
        let told = |way| {
            let policy = LogPolicy { way: Some(Box::new(way)), ..LogPolicy::default() };
            destination(Path::new("/log/web"), LogFile::Current, &policy)
        };
        let err = NamedFile {
            path: "/srv/err.log".to_owned(),
            max_size: 0,
            backups: 0,
            strip_ansi: false,
            in_our_directory: false,
        };
        let files = NamedFiles { out: None, err: Some(err) };
        let to = told(LogWay::Files(Box::new(files.clone())));
        assert_eq!((to.directory.as_path(), to.policy.files()), (Path::new("/srv"), Some(&files)));
        let to = told(LogWay::Command(vec!["/bin/eat".to_owned()]));
        assert_eq!((to.directory.as_path(), to.policy.way), (Path::new("/log/web"), None));
    }
}
