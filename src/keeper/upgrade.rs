//! Another program for the roles, without an end of anything: it is tried, the supervisor leaves, and the new one goes on
//! where that was. One that does not come up is killed, and the old program plays on.

use super::{Deadline, Keeper, after};
use crate::host::clock;
use crate::host::stderr::say;
use crate::keeper::role::WANTS_KEEPER;
use crate::model::outcome::Exit;
use crate::table::{Role, Upgrade};
use nix::fcntl::AtFlags;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

pub(super) struct Upgrading {
    program: OwnedFd,
    /// Whether it is to be the keeper too.
    whole: bool,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It has until then to say whether it is fit.
    Trial(Deadline),
    /// The supervisor leaves.
    Leaving,
    /// Its supervisor has to sign in.
    Supervisor,
    /// The logger writes what it has, and ends; it has until then.
    Logger(Deadline),
}

impl Upgrading {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        match self.step {
            Step::Trial(until) | Step::Logger(until) => Some(until),
            Step::Leaving | Step::Supervisor => None,
        }
    }

    fn is_at(&self, step: Step) -> bool {
        self.step == step
    }
}

impl Keeper {
    /// The program that the link in our directory names is to play the roles from now on.
    pub(super) fn upgrade(&mut self, whole: bool) {
        if self.upgrading.is_some() {
            return say(format_args!("an upgrade is under way already"));
        }
        self.table.set_upgrade(Upgrade::UnderWay);
        let program = match self.place.take_next() {
            Ok(program) => program,
            Err(error) => {
                say(format_args!("the new program cannot be opened: {error}"));
                return self.table.set_upgrade(Upgrade::Unfit);
            }
        };
        if let Err(error) = self.troupe.try_candidate(program.as_fd()) {
            say(format_args!("the new program cannot be executed: {error}"));
            return self.table.set_upgrade(Upgrade::Unfit);
        }
        let until = after(clock::now().mono.0, self.timing.sign_in);
        self.upgrading = Some(Upgrading { program, whole, step: Step::Trial(until) });
    }

    /// The one on trial has ended.
    pub(super) fn tried(&mut self, status: i32) {
        let Some(upgrading) = &mut self.upgrading else { return };
        let whole = match Exit::from_wait_status(status) {
            Exit::Code(0) => upgrading.whole,
            Exit::Code(code) if code == i32::from(WANTS_KEEPER) => true,
            exit => {
                say(format_args!("the new program is not fit ({exit}): the old one goes on"));
                self.upgrading = None;
                return self.table.set_upgrade(Upgrade::Unfit);
            }
        };
        if whole {
            return self.become_anew();
        }
        if !self.troupe.is_on(Role::Supervisor) {
            // It has crashed, or there is to be none: this is the next one.
            upgrading.step = Step::Supervisor;
            return;
        }
        upgrading.step = Step::Leaving;
        self.ask_to_leave();
    }

    /// The keeper's own program is replaced: the same process, with the same children, comes up as after the death of
    /// one before it. Returns only where that cannot be.
    fn become_anew(&mut self) {
        let Some(upgrading) = self.upgrading.take() else { return };
        let words = ["abide", "run"].map(|word| CString::new(word).unwrap_or_default());
        let arguments = self.arguments.iter().filter_map(|argument| CString::new(argument.as_bytes()).ok());
        let argv: Vec<CString> = words.into_iter().chain(arguments).collect();
        let pair = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        };
        let environment: Vec<CString> = std::env::vars_os().filter_map(pair).collect();
        self.place.keep_lock_over_exec(true);
        let program = upgrading.program.as_fd();
        let Err(error) = nix::unistd::execveat(program, c"", &argv, &environment, AtFlags::AT_EMPTY_PATH);
        self.place.keep_lock_over_exec(false);
        say(format_args!("the keeper cannot become the new program ({error}): the old one goes on"));
        self.table.set_upgrade(Upgrade::FellBack);
    }

    /// The program of the next supervisor, if it is another than ours.
    pub(super) fn next_program(&self) -> Option<BorrowedFd<'_>> {
        let plays = |it: &&Upgrading| matches!(it.step, Step::Supervisor | Step::Logger(_));
        self.upgrading.as_ref().filter(plays).map(|it| it.program.as_fd())
    }

    /// The supervisor has ended; whether that was a step on the way.
    pub(super) fn left_for_another(&mut self) -> bool {
        match &mut self.upgrading {
            Some(upgrading) if upgrading.is_at(Step::Leaving) => {
                upgrading.step = Step::Supervisor;
                true
            }
            Some(upgrading) if upgrading.is_at(Step::Supervisor) => {
                say(format_args!("the new program did not come up: the old one goes on"));
                self.upgrading = None;
                self.table.set_upgrade(Upgrade::FellBack);
                true
            }
            _ => false,
        }
    }

    /// The supervisor has signed in: if it is of the new program, the logger follows.
    pub(super) fn upgraded(&mut self) {
        match &mut self.upgrading {
            Some(upgrading) if upgrading.is_at(Step::Supervisor) => {
                upgrading.step = Step::Logger(after(clock::now().mono.0, self.timing.obey));
                if self.troupe.is_on(Role::Logger) {
                    self.troupe.signal(Role::Logger, libc::SIGTERM);
                } else {
                    // It has crashed, and waits for its time: the next one is of the new program.
                    self.logger_left_for_another();
                }
            }
            None if self.table.upgrade() == Upgrade::UnderWay => {
                // The keeper became the new program, and its roles are there.
                self.table.set_upgrade(Upgrade::Done);
            }
            _ => {}
        }
    }

    /// The logger has ended; whether because the new program is to play it.
    pub(super) fn logger_left_for_another(&mut self) -> bool {
        let Some(upgrading) = self.upgrading.take_if(|upgrading| matches!(upgrading.step, Step::Logger(_))) else {
            return false;
        };
        self.troupe.adopt_program(upgrading.program);
        self.table.set_upgrade(Upgrade::Done);
        say(format_args!("the new program plays the roles now"));
        true
    }

    /// The one on trial has had its time.
    pub(super) fn watch_trial(&mut self, now: Deadline) {
        let Some(upgrading) = &mut self.upgrading else { return };
        // Once: what hangs in the kernel does not end for being killed again.
        match upgrading.step {
            Step::Trial(until) if until <= now => {
                upgrading.step = Step::Trial(Deadline::MAX);
                self.troupe.kill_candidate();
            }
            // It hangs, on a disk maybe: what is in the pipes stays there.
            Step::Logger(until) if until <= now => {
                upgrading.step = Step::Logger(Deadline::MAX);
                self.troupe.signal(Role::Logger, libc::SIGKILL);
            }
            _ => {}
        }
    }

    /// There is to be no supervisor at all.
    pub(super) fn give_up_upgrade(&mut self) {
        if self.upgrading.take().is_some() {
            self.table.set_upgrade(Upgrade::FellBack);
        }
    }
}
