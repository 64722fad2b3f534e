//! Legacy services and their `supervise/`: what is taken, what waits for it, what comes over it.

use super::{Host, Trouble};
use crate::decide::event::{Event, RunId};
use crate::host::chores::Told;
use crate::host::supervise::{self, Taken, Untaken};
use crate::host::watch::Happened;
use crate::log::order::Owner;
use crate::model::desired::Definition;
use crate::model::name::InstanceId;
use crate::model::outcome::Failure;
use crate::model::service::Service;
use crate::model::supervise::Shown;
use nix::fcntl::Flock;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the last words of all may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// All directories, by whose they are.
#[derive(Debug, Default)]
pub(super) struct Boards {
    by_instance: HashMap<InstanceId, Board>,
    by_number: HashMap<u32, InstanceId>,
    last: u32,
}

/// One of them.
#[derive(Debug)]
struct Board {
    number: u32,
    definition: Arc<Definition>,
    shown: Shown,
    /// The process of `./finish`, while it runs.
    finish: Option<i32>,
    state: State,
    /// Whether what is wrong with it was said.
    told: bool,
}

#[derive(Debug)]
enum State {
    /// It is being taken, and perhaps a start waits for that.
    Taking(Option<Start>),
    Ours {
        directory: Arc<OwnedFd>,
        /// `lock` and `ok`: that they are open is what counts.
        held: (Flock<OwnedFd>, OwnedFd),
    },
    /// Another has it.
    Theirs,
    /// There is none, and it goes without.
    None,
}

#[derive(Debug)]
struct Start {
    run: RunId,
    definition: Arc<Definition>,
    numbered: bool,
}

/// With whose rights it is touched, if not with ours.
fn owner(service: &Service) -> Option<Owner> {
    let identity = &service.identity;
    let is_delegated = service.delegated.is_some();
    is_delegated.then(|| Owner { uid: identity.uid, gid: identity.gid, groups: identity.groups.clone() })
}

impl Host {
    /// Takes that of `instance`, in place of one it had.
    pub(super) fn supervise(&mut self, instance: &InstanceId, definition: Arc<Definition>, shown: Shown) {
        self.unsupervise(instance);
        self.boards.last += 1;
        let number = self.boards.last;
        self.boards.by_number.insert(number, instance.clone());
        let board = Board { number, definition, shown, finish: None, state: State::Taking(None), told: false };
        self.boards.by_instance.insert(instance.clone(), board);
        self.take_board(instance);
    }

    fn take_board(&mut self, instance: &InstanceId) {
        let Some(board) = self.boards.by_instance.get(instance) else { return };
        let (number, shown, service) = (board.number, board.shown, &board.definition.service);
        // A template: a dollar in the path is doubled there.
        let (directory, owner) = (PathBuf::from(service.directory.replace("$$", "$")), owner(service));
        self.displays.order(move || {
            let outcome = supervise::take(&directory, owner.as_ref(), &shown).map(Box::new);
            Told::Supervised { number, outcome }
        });
    }

    /// Whether the start of a legacy service waits for its directory; it goes on once that is taken.
    pub(super) fn waits(
        &mut self,
        instance: &InstanceId,
        run: RunId,
        definition: &Arc<Definition>,
        numbered: bool,
    ) -> bool {
        let Some(board) = self.boards.by_instance.get_mut(instance) else { return false };
        let start = Start { run, definition: Arc::clone(definition), numbered };
        match &mut board.state {
            State::Taking(waiting) => {
                *waiting = Some(start);
                true
            }
            State::Theirs => {
                board.state = State::Taking(Some(start));
                self.take_board(instance);
                true
            }
            State::Ours { .. } | State::None => false,
        }
    }

    /// The start that waits is not wanted any more; whether it did wait.
    pub(super) fn gives_up_waiting(&mut self, instance: &InstanceId, run: RunId) -> bool {
        let Some(Board { state: State::Taking(waiting), .. }) = self.boards.by_instance.get_mut(instance) else {
            return false;
        };
        if waiting.as_ref().is_none_or(|start| start.run != run) {
            return false;
        }
        *waiting = None;
        let reason = "its directory supervise/ could not be taken in time: does its disk answer?";
        let failure = Failure::Prepare(reason.to_owned());
        self.events.push_back(Event::SpawnFailed { instance: instance.clone(), run, failure });
        true
    }

    /// What came of taking one.
    pub(super) fn supervised(&mut self, number: u32, outcome: Result<Box<Taken>, Untaken>) {
        let Some(instance) = self.boards.by_number.get(&number).cloned() else { return };
        let Some(board) = self.boards.by_instance.get_mut(&instance) else { return };
        let State::Taking(start) = std::mem::replace(&mut board.state, State::None) else { return };
        let refusal = match outcome {
            Ok(taken) => {
                let Taken { directory, control, lock, ok } = *taken;
                // Without a place for it nobody is heard, and that is what they see.
                if self.watch.add(control, Happened::Control(number)).is_ok() {
                    board.state = State::Ours { directory, held: (lock, ok) };
                }
                board.told = false;
                self.show(&instance, None);
                None
            }
            Err(Untaken::Held(message)) => {
                board.state = State::Theirs;
                Some(message)
            }
            Err(Untaken::Impossible(message)) => {
                self.complain(&instance, message);
                None
            }
        };
        match (start, refusal) {
            (Some(Start { run, .. }), Some(message)) => {
                let failure = Failure::Prepare(message);
                self.events.push_back(Event::SpawnFailed { instance, run, failure });
            }
            (Some(Start { run, definition, numbered }), None) => self.spawn(instance, run, &definition, numbered),
            (None, Some(message)) => self.complain(&instance, message),
            (None, None) => {}
        }
    }

    fn complain(&mut self, instance: &InstanceId, message: String) {
        let Some(board) = self.boards.by_instance.get_mut(instance) else { return };
        if !std::mem::replace(&mut board.told, true) {
            self.troubles.push(Trouble { instance: Some(instance.clone()), numbered: false, message });
        }
    }

    /// Writes down what is shown from now on.
    pub(super) fn show(&mut self, instance: &InstanceId, shown: Option<Shown>) {
        let Some(board) = self.boards.by_instance.get_mut(instance) else { return };
        board.shown = shown.unwrap_or(board.shown);
        let State::Ours { directory, .. } = &board.state else { return };
        let shown = match board.finish {
            Some(pid) if board.shown.pid == 0 => Shown { pid, finishing: true, ..board.shown },
            _ => board.shown,
        };
        let (number, directory) = (board.number, Arc::clone(directory));
        let owner = owner(&board.definition.service);
        self.displays.order(move || match supervise::show(&directory, owner.as_ref(), &shown) {
            Ok(()) => Told::Nothing,
            Err(errno) => Told::Unshown { number, errno },
        });
    }

    /// `./finish` of a service has begun as this process, or is over: `sv` tells that from its being down.
    pub(super) fn finishing(&mut self, instance: &InstanceId, pid: Option<i32>) {
        let has_finish = |it: &&mut Board| it.definition.service.hooks.as_ref().is_some_and(|it| it.finish.is_some());
        let Some(board) = self.boards.by_instance.get_mut(instance).filter(has_finish) else { return };
        if std::mem::replace(&mut board.finish, pid) != pid {
            self.show(instance, None);
        }
    }

    /// Its status could not be written.
    pub(super) fn unshown(&mut self, number: u32, errno: nix::errno::Errno) {
        let Some(instance) = self.boards.by_number.get(&number).cloned() else { return };
        let Some(board) = self.boards.by_instance.get(&instance) else { return };
        let directory = &board.definition.service.directory;
        let message =
            format!("{directory}/supervise/status cannot be written: {}; svstat shows old news", errno.desc());
        self.complain(&instance, message);
    }

    /// Lets go of that of `instance`.
    pub(super) fn unsupervise(&mut self, instance: &InstanceId) {
        let Some(board) = self.boards.by_instance.remove(instance) else { return };
        self.boards.by_number.remove(&board.number);
        self.watch.remove(Happened::Control(board.number));
        match board.state {
            State::Taking(Some(Start { run, .. })) => {
                let failure = Failure::Prepare("it is not wanted any more".to_owned());
                self.events.push_back(Event::SpawnFailed { instance: instance.clone(), run, failure });
            }
            // After what is still to be written: then the next supervise finds it whole.
            State::Ours { directory, held } => self.displays.order(move || {
                drop((directory, held));
                Told::Nothing
            }),
            State::Taking(None) | State::Theirs | State::None => {}
        }
    }

    /// That of `from` is that of `to`, as its definition now has it: it is held on.
    pub(super) fn rename_board(&mut self, from: &InstanceId, to: &InstanceId, definition: Arc<Definition>) {
        let Some(board) = self.boards.by_instance.remove(from) else { return };
        self.boards.by_number.insert(board.number, to.clone());
        self.boards.by_instance.insert(to.clone(), Board { definition, ..board });
    }

    /// Letters wait in `control`.
    pub(super) fn letters(&mut self, number: u32) {
        let happened = Happened::Control(number);
        let Some(control) = self.watch.get(happened) else { return };
        let mut buffer = [0; 256];
        let Ok(count) = nix::unistd::read(control, &mut buffer) else { return };
        if let Some(instance) = self.boards.by_number.get(&number).cloned() {
            self.events.push_back(Event::Commanded { instance, letters: buffer[..count].to_vec() });
        }
    }

    /// The end: what is shown last is written.
    pub(super) fn finish_displays(&mut self) {
        let all: Vec<InstanceId> = self.boards.by_instance.keys().cloned().collect();
        for instance in &all {
            self.unsupervise(instance);
        }
        self.displays.finish(PATIENCE);
    }
}
