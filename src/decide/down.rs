//! The way down of a process that lives: who is asked, by what, and what follows when it is gone.

use super::care::Stage;
use super::effect::{Effect, Errand};
use super::event::RunId;
use super::instance::Instance;
use super::phase::{Phase, Rest, Turn, Words};
use super::stopping::{Climb, Ladder};
use crate::model::signal::Signal;

impl Instance {
    pub(super) fn stop(&mut self, why: Words, turn: &mut Turn) {
        self.stop_for(Rest::Down, why, turn);
    }

    /// Stops what runs; once it is gone it rests so.
    pub(super) fn stop_for(&mut self, then: Rest, why: Words, turn: &mut Turn) {
        let Phase::Running { run, since, .. } = self.phase else { return };
        self.quit_pending(turn);
        let main_gone = match self.stage() {
            Stage::Seeking { left: false, .. } => return self.cleared(then, why, None, turn),
            Stage::Seeking { .. } => true,
            _ => false,
        };
        self.cause.clone_from(&why);
        let (scope, time) = (self.reach(), self.wanted.service.stop.timeout);
        let ladder = Ladder::command(scope, main_gone);
        self.enter(Phase::Stopping { run, since, ladder, then }, why, None, turn);
        if self.current.service.stop.command.is_some() {
            self.run_errand(Errand::Stop, turn.now.mono.plus(time), turn);
        } else if self.current.service.reads.is_some() && !self.want {
            self.end_input(run, ladder, turn);
        } else {
            self.ask(turn);
        }
    }

    /// What reads another's output ends by itself at its end, and has then read all of it.
    fn end_input(&mut self, run: RunId, begun: Ladder, turn: &mut Turn) {
        if let Phase::Stopping { ladder, .. } = &mut self.phase {
            *ladder = begun.drained(turn.now.mono);
            turn.effects.push(Effect::EndInput { instance: self.id.clone(), run });
        }
    }

    /// Somebody goes on writing what it reads: it is asked to end like any other.
    pub(super) fn input_held(&mut self, turn: &mut Turn) {
        let Phase::Stopping { ladder, .. } = &mut self.phase else { return };
        if ladder.is_drained() {
            let (next, climb) = ladder.ask(&self.wanted.service.stop, turn.now.mono);
            *ladder = next;
            self.climbed(climb, None, turn);
        }
    }

    /// The first signal, where there has been none.
    pub(super) fn ask(&mut self, turn: &mut Turn) {
        let may_linger = self.may_linger();
        let Phase::Stopping { ladder, .. } = &mut self.phase else { return };
        if ladder.is_commanded() {
            let (mut next, climb) = ladder.ask(&self.wanted.service.stop, turn.now.mono);
            if may_linger {
                next.linger();
            }
            *ladder = next;
            self.climbed(climb, None, turn);
        }
    }

    /// One that had for ever to end has no longer than any other.
    pub(super) fn hasten(&mut self, turn: &mut Turn) {
        if let Phase::Stopping { ladder, .. } = &mut self.phase {
            ladder.bound(&self.wanted.service.stop, turn.now.mono);
        }
    }

    /// Time passed.
    pub(super) fn climb(&mut self, turn: &mut Turn) {
        let Phase::Stopping { ladder, .. } = &mut self.phase else { return };
        let climb = ladder.climb(&self.wanted.service.stop, turn.now.mono);
        self.climbed(climb, Some("did not end in time, killed"), turn);
    }

    /// No time is left for politeness.
    pub(super) fn hurry(&mut self, turn: &mut Turn) {
        if self.rests() {
            return;
        }
        if self.care.is_some() || self.has_followers() {
            self.care().hurried = true;
        }
        match &mut self.phase {
            Phase::Starting { .. } => self.abandon(turn),
            Phase::Stopping { ladder, .. } => {
                let climb = ladder.hurry(turn.now.mono);
                self.quit_pending(turn);
                self.climbed(climb, Some("killed in haste"), turn);
            }
            Phase::Preparing { .. } | Phase::Clearing { .. } => self.quit_pending(turn),
            _ => {}
        }
    }

    fn climbed(&mut self, climb: Climb, killed: Option<&'static str>, turn: &mut Turn) {
        let Phase::Stopping { run, ladder, then, .. } = self.phase else { return };
        match climb {
            Climb::Wait => {}
            Climb::Ask(signal) => {
                self.signal(run, signal, ladder.scope(), turn);
                // So that one that is stopped can obey.
                self.signal(run, Signal::CONT, ladder.scope(), turn);
            }
            Climb::Kill => {
                let scope = self.wanted.service.stop.kill_scope.unwrap_or(ladder.scope());
                self.signal(run, Signal::KILL, scope, turn);
                if let Some(killed) = killed {
                    self.remark(killed.into(), turn);
                }
            }
            Climb::Stuck => self.remark("cannot be killed".into(), turn),
            Climb::LetBe => self.swept(then, turn), // what is left is outside its process group
        }
    }
}
