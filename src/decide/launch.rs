//! From the process to the service: what a launcher left is found, a job is given its time.

use super::care::Stage;
use super::effect::Effect;
use super::event::RunId;
use super::instance::Instance;
use super::phase::{Fit, Phase, Process, Rest, Turn, Words};
use super::restarts::Cause;
use crate::model::outcome::Exit;
use crate::model::policy::{ServiceType, StopScope};
use crate::model::service::Service;
use crate::model::time::Mono;
use std::time::Duration;

/// How long a daemon may take to be there where its file does not say.
const START_TIME: Duration = Duration::from_secs(60);
/// The pause before a daemon that was not found is looked for again; it doubles.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// What was found and ends well within so long, with others of it left, was a step on the way: a
/// daemon forks twice.
const STEP: Duration = Duration::from_secs(1);

/// How long a start may take; `None`: as long as it likes.
fn start_time(service: &Service) -> Option<Duration> {
    let said = service.ready.as_ref().map(|ready| ready.timeout).filter(|time| *time != Duration::MAX);
    match service.service_type {
        ServiceType::Forking { .. } => said.or(Some(START_TIME)),
        ServiceType::Simple | ServiceType::Oneshot { .. } => said,
    }
}

impl Instance {
    /// Its process executes its program.
    pub(super) fn spawned(&mut self, run: RunId, ordered: Mono, process: Process, turn: &mut Turn) {
        self.process = Some(process);
        self.fit = Fit::Met;
        self.starved = false;
        let since = turn.now.mono;
        let early = self.care.as_mut().map(|care| std::mem::take(&mut care.early)).unwrap_or_default();
        self.begin(since);
        self.enter(Phase::Running { run, ordered, since }, "started".into(), None, turn);
        if self.current.service.service_type.is_simple() {
            self.is_there(turn);
        }
        for sign in early {
            self.signed(sign, turn);
        }
        self.pass_on_early(turn);
        self.step(turn);
    }

    /// What the file asks for beyond a process begins. Where it asks for nothing, nothing is kept.
    fn begin(&mut self, since: Mono) {
        let service = &self.current.service;
        let restart = &service.restart;
        let (age, memory) = (restart.max_age, restart.max_memory);
        let until = start_time(service).map(|time| since.plus(time));
        let simple = service.service_type.is_simple();
        let settles = service.hooks.as_ref().is_some_and(|hooks| !hooks.start_after.is_empty());
        let stage = match (simple, service.ready.is_some()) {
            (false, _) => Stage::Launching { named: None },
            (true, true) => Stage::Checking { next: None, pause: Duration::ZERO },
            (true, false) if settles => Stage::Settling,
            (true, false) => Stage::Up,
        };
        if stage == Stage::Up && service.health.is_none() && age.is_none() && memory.is_none() && self.care.is_none() {
            return;
        }
        let care = self.care();
        care.stage = stage;
        care.start_until = until;
        care.old = age.map(|age| since.plus(age));
        care.measure = memory.map(|_| since.plus(super::health::MEASURE));
    }

    /// Whether this is the end of a launcher that has done its work.
    pub(super) fn is_launcher_gone(&self, exit: Exit) -> bool {
        let service = &self.current.service;
        let at_work = match self.phase {
            Phase::Starting { .. } => true,
            _ => matches!(self.stage(), Stage::Launching { .. }),
        };
        at_work && matches!(service.service_type, ServiceType::Forking { .. }) && service.restart.is_success(exit)
    }

    /// The launcher has ended well. What it left is the service, and is looked for.
    pub(super) fn launched(&mut self, run: RunId, ordered: Mono, leftovers: bool, turn: &mut Turn) {
        if matches!(self.phase, Phase::Starting { .. }) {
            let since = turn.now.mono;
            self.starved = false;
            self.begin(since);
            self.enter(Phase::Running { run, ordered, since }, "started".into(), None, turn);
        }
        let Stage::Launching { named } = self.stage() else { return };
        let launcher = self.process.take();
        let care = self.care();
        care.launcher = launcher;
        care.stage = Stage::Seeking { named, next: None, pause: FIRST_LOOK, left: leftovers };
        self.find_main(run, named, turn);
        self.step(turn);
    }

    pub(super) fn find_main(&mut self, run: RunId, named: Option<i32>, turn: &mut Turn) {
        self.care().finds = true;
        let (instance, definition) = (self.id.clone(), self.current.clone());
        turn.effects.push(Effect::FindMain { instance, run, definition, named });
    }

    fn has_pid_file(&self) -> bool {
        matches!(self.current.service.service_type, ServiceType::Forking { pid_file: Some(_) })
    }

    /// Whether this is the end of a process that was taken for the daemon and only led to it.
    pub(super) fn was_a_step(&self, exit: Exit, leftovers: bool, turn: &Turn) -> bool {
        let guessed = self.care.as_ref().and_then(|care| care.guessed);
        leftovers
            && self.running().is_some()
            && self.current.service.restart.is_success(exit)
            && guessed.is_some_and(|at| turn.now.mono.since(at) < STEP)
    }

    /// What was found is gone, and the daemon is looked for again.
    pub(super) fn seek_again(&mut self, run: RunId, since: Mono, turn: &mut Turn) {
        let from = self.state();
        self.quit_pending(turn);
        let until = start_time(&self.current.service).map(|time| since.plus(time));
        let former = self.process.take();
        let care = self.care();
        (care.launcher, care.start_until) = (former, until);
        (care.ready, care.up, care.health) = (None, None, None);
        care.stage = Stage::Seeking { named: None, next: None, pause: FIRST_LOOK, left: true };
        self.turned(from, "what was taken for it has ended, and left others: it is looked for again".into(), turn);
        self.find_main(run, None, turn);
        self.step(turn);
    }

    /// It is time to look for the daemon again.
    pub(super) fn seek(&mut self, turn: &mut Turn) {
        let Some(run) = self.running() else { return };
        let Stage::Seeking { named, pause, left, .. } = self.stage() else { return };
        self.care().stage = Stage::Seeking { named, next: None, pause, left };
        self.find_main(run, named, turn);
    }

    /// The daemon was found, or another process that the service named; or not.
    pub(super) fn main_found(&mut self, outcome: Result<(i32, u64), String>, turn: &mut Turn) {
        if !self.care.as_mut().is_some_and(|care| std::mem::take(&mut care.finds)) {
            return;
        }
        match (outcome, self.stage()) {
            (Ok((pid, start_ticks)), stage) => {
                let from = self.state();
                let launcher = self.care().launcher.take().or_else(|| self.process.take());
                let limits = launcher.map(|process| process.limits).unwrap_or_default();
                self.process = Some(Process { pid, start_ticks, started: turn.now.wall, limits });
                let sought = matches!(stage, Stage::Seeking { .. });
                if sought {
                    let guessed = matches!(stage, Stage::Seeking { named: None, .. }) && !self.has_pid_file();
                    self.care().guessed = guessed.then_some(turn.now.mono);
                    self.care().stage = Stage::Settling;
                }
                match &mut self.phase {
                    Phase::Stopping { ladder, .. } if sought => {
                        ladder.main_found();
                        // A signal to a tree has reached it already; one to a process had nobody to go to.
                        let (scope, again) = (ladder.scope(), ladder.again(&self.wanted.service.stop));
                        if let (Phase::Stopping { run, .. }, Some(signal), false) =
                            (self.phase, again, scope == StopScope::Tree)
                        {
                            self.signal(run, signal, scope, turn);
                        }
                    }
                    Phase::Running { .. } if sought => {
                        self.turned(from, format!("process {pid} is the service").into(), turn);
                        self.is_there(turn);
                    }
                    _ => self.tell(format!("process {pid} is the service from now on"), turn),
                }
            }
            (Err(why), Stage::Seeking { named, pause, left, .. }) if self.running().is_some() => {
                let next = Some(turn.now.mono.plus(pause));
                let pause = (pause * 2).min(LONGEST_LOOK);
                let care = self.care();
                care.hitch = Some(why);
                care.stage = Stage::Seeking { named, next, pause, left };
                // Nothing was left when the launcher ended. What escaped the look has had its time. Where
                // one process alone counts, nobody looked.
                let looked = self.current.service.stop.scope != StopScope::Process;
                if !left && looked && pause == LONGEST_LOOK {
                    self.tree_lost(turn);
                }
            }
            (Err(why), _) if self.running().is_some() => {
                self.remark(format!("the process that it named is not watched: {why}").into(), turn);
            }
            (Err(_), _) => {}
        }
    }

    /// All that the launcher left has ended before anything of it was found.
    pub(super) fn tree_lost(&mut self, turn: &mut Turn) {
        let Stage::Seeking { named, next, pause, .. } = self.stage() else { return };
        self.care().stage = Stage::Seeking { named, next, pause, left: false };
        self.fail(Cause::Exit, "what it started has ended", None, turn);
    }

    /// The start has taken too long.
    pub(super) fn start_timed_out(&mut self, turn: &mut Turn) {
        let seconds = start_time(&self.current.service).unwrap_or_default().as_secs_f64();
        let hitch = self.hitch().map(|hitch| format!(": {hitch}")).unwrap_or_default();
        let what = match self.stage() {
            Stage::Launching { .. } if !self.is_oneshot() => {
                "its command, which is to leave a daemon and end, did not end"
            }
            Stage::Launching { .. } => "did not end",
            Stage::Seeking { .. } => "its process was not found",
            _ => "did not become ready",
        };
        self.fail(Cause::StartTimeout, &format!("{what} within {seconds} s{hitch}"), None, turn);
    }

    /// It lives, and it has failed: it is stopped, and what follows is what follows from an end.
    pub(super) fn fail(&mut self, cause: Cause, words: &str, well: Option<Duration>, turn: &mut Turn) {
        let Phase::Running { ordered, .. } = self.phase else { return };
        // That it was well for long makes its past good, and no restart immediate: it did fail.
        if well.is_some_and(|well| well >= self.wanted.service.restart.reset_after) {
            self.backoff.attempt = 0;
        }
        self.owed = Some(cause);
        let (rest, why): (Rest, Words) = self.after_failure(words, ordered, turn);
        self.stop_for(rest, why, turn);
    }
}
