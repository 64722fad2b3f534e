//! Whether it is ready: when to ask, what an answer means, what follows. How one asks is the host's
//! business.

use super::care::{Health, Stage, What};
use super::effect::{Effect, Errand, Which};
use super::event::RunId;
use super::instance::Instance;
use super::phase::{Phase, Turn};
use crate::model::check::{Check, Ready, Sign};
use crate::model::time::Mono;
use std::borrow::Cow;
use std::time::Duration;

/// The pause after the first look; it doubles up to the declared interval, so that who is ready soon
/// is known to be soon.
const QUICK: Duration = Duration::from_millis(2);
/// The same where a look is a process of its own.
const QUICK_COMMAND: Duration = Duration::from_millis(20);
/// No single look takes longer, however long the whole may take.
const ONE_LOOK: Duration = Duration::from_secs(5);
/// What a service says of itself, for people: no more than this is kept.
const LONGEST_TEXT: usize = 500;
/// Signs that are kept from before the start was told.
const EARLY: usize = 16;

impl Instance {
    /// The process that is the service is there.
    pub(super) fn is_there(&mut self, turn: &mut Turn) {
        let Phase::Running { since, .. } = self.phase else { return };
        let Some(ready) = self.current.service.ready.clone() else { return self.is_ready(turn) };
        if self.care().said_ready && is_spoken(&ready.check) {
            return self.is_ready(turn);
        }
        let next = first_look(&ready, since, turn.now.mono);
        let quick = if matches!(ready.check, Check::Exec(_)) { QUICK_COMMAND } else { QUICK };
        self.care().stage = Stage::Checking { next, pause: quick.min(ready.interval) };
        if next.is_some_and(|next| next <= turn.now.mono) {
            self.look_whether_ready(turn);
        }
    }

    /// It is time to look.
    pub(super) fn look_whether_ready(&mut self, turn: &mut Turn) {
        let (Some(ready), Stage::Checking { pause, .. }) = (self.current.service.ready.clone(), self.stage()) else {
            return;
        };
        if let Check::After(_) = ready.check {
            return self.is_ready(turn);
        }
        let now = turn.now.mono;
        let left = self.care().start_until.map_or(ONE_LOOK, |until| until.since(now));
        self.care().stage = Stage::Checking { next: None, pause };
        self.look(Which::Ready, &ready.check, ONE_LOOK.min(left), turn);
    }

    /// Asks, by one of the ways in which abide asks.
    pub(super) fn look(&mut self, which: Which, check: &Check, time: Duration, turn: &mut Turn) {
        match check {
            Check::Exec(_) => self.run_errand(Errand::Check(which), turn.now.mono.plus(time), turn),
            Check::Tcp(_) | Check::Http(_) => {
                let run = self.order(What::Probe(which), turn.now.mono.plus(time), turn);
                let (instance, definition) = (self.id.clone(), self.current.clone());
                turn.effects.push(Effect::Probe { instance, run, which, definition });
            }
            Check::Notify | Check::Descriptor(_) | Check::Log(_) | Check::After(_) => {}
        }
    }

    /// The answer to a probe.
    pub(super) fn probed(&mut self, run: RunId, outcome: Result<(), String>, turn: &mut Turn) {
        let Some(answered) = self.care.as_mut().and_then(|care| care.answered(run)) else { return };
        if let What::Probe(which) = answered.what {
            self.checked(which, outcome, turn);
        }
    }

    /// What one look came to.
    pub(super) fn checked(&mut self, which: Which, outcome: Result<(), String>, turn: &mut Turn) {
        if self.running().is_none() {
            return;
        }
        match (which, outcome, self.stage()) {
            (Which::Ready, Ok(()), Stage::Checking { .. }) => self.is_ready(turn),
            (Which::Ready, Err(why), Stage::Checking { pause, .. }) => {
                let longest = self.current.service.ready.as_ref().map_or(pause, |ready| ready.interval);
                let next = Some(turn.now.mono.plus(pause));
                let care = self.care();
                care.stage = Stage::Checking { next, pause: (pause * 2).min(longest) };
                care.hitch = Some(why);
            }
            (Which::Health, outcome, _) => self.examined(outcome, turn),
            (Which::Ready, ..) => {}
        }
    }

    /// Why it is not ready yet, or not found: what the last look came to, or what nobody has heard of it.
    pub(super) fn hitch(&self) -> Option<Cow<'_, str>> {
        if let Some(hitch) = self.care.as_ref().and_then(|care| care.hitch.as_deref()) {
            return Some(hitch.into());
        }
        match (self.stage(), &self.current.service.ready.as_ref()?.check) {
            (Stage::Checking { .. }, Check::Notify) => Some("it has not said READY=1".into()),
            (Stage::Checking { .. }, Check::Descriptor(fd)) => {
                Some(format!("it has not written to its descriptor {fd}").into())
            }
            (Stage::Checking { .. }, Check::Log(_)) => Some("no line of its output matched".into()),
            _ => None,
        }
    }

    /// It is ready; what is to be done after its start begins.
    pub(super) fn is_ready(&mut self, turn: &mut Turn) {
        let Phase::Running { since, .. } = self.phase else { return };
        let service = &self.current.service;
        let settles = service.hooks.as_ref().is_some_and(|hooks| !hooks.start_after.is_empty());
        if !settles {
            return self.is_risen(since, turn);
        }
        let care = self.care();
        (care.stage, care.start_until, care.hitch) = (Stage::Settling, None, None);
        care.next_hook = 0;
        self.settle(turn);
    }

    /// It is up, in every way that its file names.
    pub(super) fn is_risen(&mut self, since: Mono, turn: &mut Turn) {
        let now = turn.now.mono;
        let took = now.since(since);
        let (declared, watched) = (self.current.service.ready.is_some(), self.current.service.health.is_some());
        if self.care.is_none() && !declared && !watched {
            return;
        }
        let from = self.state();
        let ready = declared.then_some((turn.now.wall, took));
        let health = self.current.service.health.as_ref().map(|health| Health::fresh(health, turn.now));
        let care = self.care();
        (care.stage, care.start_until, care.hitch) = (Stage::Up, None, None);
        (care.ready, care.up, care.health) = (ready, Some(now), health);
        if declared {
            self.turned(from, format!("ready after {} ms", took.as_millis()).into(), turn);
        }
        self.reload_if_due(turn);
    }

    /// It says something of itself.
    pub(super) fn signed(&mut self, sign: Sign, turn: &mut Turn) {
        if matches!(self.phase, Phase::Starting { .. }) {
            let early = &mut self.care().early;
            if early.len() < EARLY {
                early.push(sign);
            }
            return;
        }
        match sign {
            Sign::Ready => self.says_ready(turn),
            Sign::Status(text) => {
                let text: String = text.chars().take(LONGEST_TEXT).collect();
                self.care().text = Some(text).filter(|text| !text.is_empty());
            }
            Sign::Extend(time) => self.extend(turn.now.mono.plus(time)),
            _ if self.running().is_none() => {}
            Sign::Reloading => self.says_reloading(turn),
            // It goes of its own will: whether it is well is no question any more.
            Sign::Stopping => {
                self.quit(|pending| pending.checks(Which::Health), turn);
                if let Some(care) = &mut self.care {
                    care.health = None;
                }
            }
            Sign::Alive => self.says_alive(turn),
            Sign::Unwell => self.says_unwell(turn),
            Sign::Main(pid) => self.says_main(pid, turn),
        }
    }

    fn says_ready(&mut self, turn: &mut Turn) {
        if self.running().is_none() {
            return;
        }
        let spoken = self.current.service.ready.as_ref().is_some_and(|ready| is_spoken(&ready.check));
        match self.stage() {
            Stage::Checking { .. } if spoken => self.is_ready(turn),
            Stage::Launching { .. } | Stage::Seeking { .. } => self.care().said_ready = true,
            Stage::Up => self.says_reloaded(turn),
            Stage::Checking { .. } | Stage::Settling => {}
        }
    }

    fn says_main(&mut self, pid: i32, turn: &mut Turn) {
        let Some(run) = self.running() else { return };
        match self.stage() {
            // Its end is to come first: with two processes nobody could tell whose end is told.
            Stage::Launching { .. } => self.care().stage = Stage::Launching { named: Some(pid) },
            Stage::Seeking { next, pause, left, .. } => {
                self.care().stage = Stage::Seeking { named: Some(pid), next, pause, left };
            }
            _ if self.process.as_ref().is_some_and(|process| process.pid == pid) => {}
            _ => self.find_main(run, Some(pid), turn),
        }
    }

    /// It needs time until then for what it is doing.
    fn extend(&mut self, to: Mono) {
        if let Phase::Stopping { ladder, .. } = &mut self.phase {
            return ladder.extend(to);
        }
        let Some(care) = &mut self.care else { return };
        for until in [&mut care.start_until, &mut care.reload.said].into_iter().flatten() {
            *until = (*until).max(to);
        }
    }
}

/// Whether the service itself says that it is ready.
pub(super) fn is_spoken(check: &Check) -> bool {
    matches!(check, Check::Notify | Check::Descriptor(_) | Check::Log(_))
}

/// When to look first; `None`: it will be said.
fn first_look(ready: &Ready, since: Mono, now: Mono) -> Option<Mono> {
    match ready.check {
        Check::After(time) => Some(since.plus(time)),
        Check::Tcp(_) | Check::Http(_) | Check::Exec(_) => Some(now),
        Check::Notify | Check::Descriptor(_) | Check::Log(_) => None,
    }
}
