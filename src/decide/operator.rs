//! The operator's hand: orders → effects, and one answer a target.
//!
//! A *stop* is a hold: it is written down, and neither an edit nor a crash nor the end of abide lifts it, but a start
//! does, or a restart, or its own time. What is held counts to others as not asked for: who requires it goes down
//! first, and comes back with it. A start or restart of one instance of a service that is held as a whole leaves its
//! other instances held, each by itself.
//!
//! A *restart* is what an edit of the command would be: those that require the service go on running, and what is
//! restarted together comes up in order. What a start cannot do, since the files or another service keep the target
//! down, is refused and says what to do.

use super::effect::Effect;
use super::event::CallId;
use super::fleet::{Ending, Fleet};
use super::holds::{in_words, lapse};
use super::instance::Instance;
use super::obey::Word;
use super::phase::{Turn, Words};
use super::records::hold_record;
use crate::model::name::ServiceName;
use crate::model::order::{Act, Author, Done, Hold, Order};
use crate::model::selector::Target;
use crate::model::service::Kind;
use crate::model::time::Wall;
use crate::model::units;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Fleet {
    /// An operator gave an order.
    pub(super) fn ordered(&mut self, call: CallId, order: Order) {
        let Order { act, targets, author } = order;
        let targets: Vec<Target> = targets.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let done = match act {
            _ if self.ending != Ending::No => {
                let refused = |target: &Target| told(target, vec![Word::refused("abide is ending all services")]);
                targets.iter().map(refused).collect()
            }
            Act::Stop { reason, lasts } => self.hold(&targets, &author, reason.as_ref(), lasts),
            Act::Start => self.raise(&targets, &author, false),
            Act::Restart => self.raise(&targets, &author, true),
            Act::RestartRolling => self.roll_each(&targets, &author),
            Act::Confirm => self.confirm(&targets),
            Act::Suspend { reason } => self.freeze(&targets, &author, reason.as_ref()),
            Act::Resume => self.thaw(&targets),
            Act::Retry => self.retry(&targets, &author),
            Act::Rollback { versions, .. } => self.go_back(versions, &author),
            Act::Reload => self.each(&targets, |instance, turn| instance.reload(&author.name, turn)),
            Act::Signal(signal) => self.each(&targets, |instance, turn| instance.send(signal, &author.name, turn)),
            Act::Log(act) => self.each(&targets, |instance, turn| instance.tend_log(act, turn)),
        };
        self.turn.effects.push(Effect::Answer { call, done });
    }

    /// What an earlier abide had on its books.
    pub(super) fn held_before(&mut self, held: Vec<(Target, Hold)>) {
        for (target, hold) in held {
            let (at, now) = (lapse(&hold, self.turn.now), self.turn.now.mono);
            if at.is_some_and(|at| at <= now) {
                self.turn.effects.push(Effect::KeepHold { target, hold: None });
                continue;
            }
            let cause = in_words(&hold).into();
            self.holds.put(&target, hold, at);
            self.notice(&target.service);
            self.bring(&target.service, &cause);
        }
        self.surroundings_changed = true;
    }

    /// Holds whose time is over end.
    pub(super) fn lapse(&mut self) {
        let due = self.holds.due(self.turn.now.mono);
        let mut causes: BTreeMap<ServiceName, Words> = BTreeMap::new();
        for target in due {
            let by = self.holds.take(&target).map(|(hold, _)| hold.by.name).unwrap_or_default();
            causes.insert(target.service.clone(), format!("the hold by {by} has ended").into());
            self.forget(target);
        }
        for name in causes.keys() {
            self.notice(name);
        }
        for name in self.befores_first(causes.keys().cloned()) {
            if let Some(cause) = causes.get(&name) {
                self.bring(&name, cause);
            }
        }
    }

    /// Holds that are about nothing that exists, in words: a name or a number may come back.
    pub fn idle_holds(&self) -> Vec<String> {
        let exists = |target: &Target| {
            let member = self.members.get(&target.service).filter(|member| !member.removed);
            member.is_some_and(|member| target.index.is_none_or(|index| index < member.size()))
        };
        let idle = self.holds.all().filter(|(target, _)| self.generation > 0 && !exists(target));
        idle.map(|(target, hold)| {
            let since = hold.since.rfc3339();
            format!(
                "{target} does not exist and is {} (since {since}): `abide start {target}` lifts that",
                in_words(hold)
            )
        })
        .collect()
    }

    pub(super) fn keep(&mut self, target: Target, hold: &Hold) {
        self.surroundings_changed = true;
        self.struck.push(hold_record(&target, Some(hold)));
        self.turn.effects.push(Effect::KeepHold { target, hold: Some(hold.clone()) });
    }

    pub(super) fn forget(&mut self, target: Target) {
        self.surroundings_changed = true;
        self.struck.push(hold_record(&target, None));
        self.turn.effects.push(Effect::KeepHold { target, hold: None });
    }

    fn hold(
        &mut self,
        targets: &[Target],
        author: &Author,
        reason: Option<&String>,
        lasts: Option<Duration>,
    ) -> Vec<Done> {
        let now = self.turn.now;
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let until = lasts.map(|time| Wall(now.wall.0.saturating_add(micros(time))));
        // The status shows it to everybody: a command line is for the log.
        let by = Author { name: author.name.clone(), uid: author.uid, pid: None, command: None };
        let hold = Hold { by, reason: reason.cloned(), since: now.wall, until };
        let mut done = Vec::with_capacity(targets.len());
        for target in targets {
            if !self.members.contains_key(&target.service) {
                done.push(told(target, vec![nothing_of(target)]));
                continue;
            }
            let was_held = self.holds.put(target, hold.clone(), lasts.map(|time| now.mono.plus(time)));
            self.keep(target.clone(), &hold);
            let runs = self.within(target).any(|instance| !instance.rests() || instance.remains());
            let until = match lasts {
                Some(time) => format!("for {}", units::duration(time)),
                None => format!("until `abide start {target}`"),
            };
            done.push(told(
                target,
                vec![Word::done(match (was_held, runs) {
                    (true, _) => format!("is held already: reason and time are new, {until}"),
                    (false, true) => format!("stops and is held {until}"),
                    (false, false) => format!("did not run, and is held {until}"),
                })],
            ));
        }
        let cause: Words = in_words(&hold).into();
        let names: BTreeSet<ServiceName> = targets.iter().map(|target| target.service.clone()).collect();
        for name in &names {
            self.notice(name);
        }
        for name in names {
            self.bring(&name, &cause);
        }
        done
    }

    /// Start, or with `anew` restart.
    fn raise(&mut self, targets: &[Target], author: &Author, anew: bool) -> Vec<Done> {
        let verb = if anew { "restarted" } else { "started" };
        let why: Words = format!("{verb} by {}", author.name).into();
        for target in targets {
            self.forget_wish(target);
        }
        let lifted: Vec<bool> = targets.iter().map(|target| self.lift(target)).collect();
        let names: BTreeSet<ServiceName> = targets.iter().map(|target| target.service.clone()).collect();
        for name in &names {
            self.notice(name);
        }
        let mut done = BTreeMap::new();
        for name in self.befores_first(names.into_iter()) {
            self.take_turn(&name);
            for (target, lifted) in targets.iter().zip(&lifted).filter(|(target, _)| target.service == name) {
                done.insert(target, self.raise_one(target, *lifted, anew, &why));
            }
        }
        targets.iter().filter_map(|target| done.remove(target)).collect()
    }

    fn raise_one(&mut self, target: &Target, lifted: bool, anew: bool, why: &Words) -> Done {
        if lifted && !self.members.contains_key(&target.service) {
            return told(target, vec![Word::done("is not held any more, and there is no such service")]);
        }
        if let Some(refusal) = self.kept_down(target) {
            // Not held any more all the same.
            self.bring(&target.service, &"not held any more".into());
            let word = if lifted {
                Word::done(format!("is not held any more, and does not start: it {refusal}"))
            } else {
                Word::refused(refusal)
            };
            return told(target, vec![word]);
        }
        let size = self.members.get(&target.service).map_or(0, |member| member.size());
        let counts = |instance: &Instance| instance.id.index < size;
        let mut words = self.touch_each(target, counts, |instance, turn| instance.raise(anew, why, turn));
        for word in words.iter_mut().filter(|word| lifted && word.refused) {
            *word = Word::done(format!("is not held any more, and {}", word.text));
        }
        told(target, words)
    }

    /// Lifts what holds `target`; whether anything did.
    pub(super) fn lift(&mut self, target: &Target) -> bool {
        let Some(index) = target.index else {
            let held: Vec<Target> = self.holds.within(&target.service).map(|(target, _)| target.clone()).collect();
            for target in &held {
                self.holds.take(target);
                self.forget(target.clone());
            }
            return !held.is_empty();
        };
        let whole = Target { service: target.service.clone(), index: None };
        let own = self.holds.take(target).is_some();
        if own {
            self.forget(target.clone());
        }
        let Some((hold, lapses)) = self.holds.take(&whole) else { return own };
        let size = self.members.get(&target.service).map_or(0, |member| member.size());
        for other in (0..size).filter(|other| *other != index) {
            let part = Target { service: target.service.clone(), index: Some(other) };
            if self.holds.own(&part.service, other).is_none() {
                self.holds.put(&part, hold.clone(), lapses);
                self.keep(part, &hold);
            }
        }
        self.forget(whole);
        true
    }

    /// Why the files keep `target` from running.
    fn kept_down(&self, target: &Target) -> Option<String> {
        let Some(member) = self.members.get(&target.service) else { return Some(nothing_of(target).text) };
        let legacy = member.kind == Kind::Daemontools;
        match member.accepted.as_deref().map(|it| &it.service) {
            _ if member.removed => Some("is being stopped, since its file is gone".to_owned()),
            None => {
                let error = member.errors.first().map(|error| format!(" ({})", error.message)).unwrap_or_default();
                Some(format!("has an error in its file{error}, and no version of it was ever good: mend the file"))
            }
            Some(service) if target.index.unwrap_or(0) >= service.instances => match service.instances {
                0 => Some("has `instances = 0` in its file: raise that".to_owned()),
                count => Some(format!("does not exist: the file says `instances = {count}`")),
            },
            Some(_)
                if !member.accepted.as_ref().is_some_and(|it| member.is_enabled(it))
                    && self.ties.caller(&target.service).is_none() =>
            {
                Some(if legacy {
                    "has a file `down` in its directory: remove that, and it starts by itself".to_owned()
                } else {
                    "has `enabled = false` in its file: change that, and it starts by itself".to_owned()
                })
            }
            Some(_) => None,
        }
    }

    /// Each instance of each target does something.
    fn each(&mut self, targets: &[Target], act: impl Fn(&mut Instance, &mut Turn) -> Word) -> Vec<Done> {
        // What is on its way out can still be told something.
        targets.iter().map(|target| told(target, self.touch_each(target, |_| true, &act))).collect()
    }

    fn touch_each(
        &mut self,
        target: &Target,
        counts: impl Fn(&Instance) -> bool,
        act: impl Fn(&mut Instance, &mut Turn) -> Word,
    ) -> Vec<Word> {
        let name = &target.service;
        self.prepare(name);
        let Some(member) = self.members.get_mut(name) else { return vec![nothing_of(target)] };
        let mut words = Vec::new();
        let meant = |instance: &Instance| target.index.is_none_or(|index| index == instance.id.index);
        for instance in member.instances.iter_mut().filter(|it| meant(it) && counts(it)) {
            words.push(act(instance, &mut self.turn));
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
        if words.is_empty() {
            words.push(Word::refused("does not run, and has no process"));
        }
        self.conclude(name);
        words
    }

    fn within<'f>(&'f self, target: &'f Target) -> impl Iterator<Item = &'f Instance> {
        let instances = self.members.get(&target.service).into_iter().flat_map(|member| &member.instances);
        instances.filter(|instance| target.index.is_none_or(|index| index == instance.id.index))
    }

    /// Every instance of `name` hears whether it is wanted, and whether it is held.
    pub(super) fn bring(&mut self, name: &ServiceName, cause: &Words) {
        self.prepare(name);
        let up = self.asked(name);
        let Some(member) = self.members.get_mut(name) else { return };
        let size = member.size();
        for instance in &mut member.instances {
            let (index, counts) = (instance.id.index, instance.id.index < size);
            instance.want_or_hold(up && counts, counts && self.holds.covers(name, index), cause, &mut self.turn);
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
        self.conclude(name);
    }
}

fn nothing_of(target: &Target) -> Word {
    Word::refused(format!("does not exist (any more): there is no service {}", target.service))
}

/// What came of it for all instances of a target.
pub(super) fn told(target: &Target, words: Vec<Word>) -> Done {
    let total = words.len();
    let mut counts: Vec<(Word, usize)> = Vec::new();
    for word in words {
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let done = counts.iter().any(|(word, _)| word.done);
    let refused = !done && counts.iter().any(|(word, _)| word.refused);
    let words = match counts.as_slice() {
        [(word, _)] => word.text.clone(),
        several => {
            let of_all = |(word, count): &(Word, usize)| format!("{count} of {total} {}", word.text);
            several.iter().map(of_all).collect::<Vec<_>>().join("; ")
        }
    };
    Done { target: target.to_string(), done, words, refused }
}
