//! A legacy service's directory `supervise/`: what is wished over `control`, and what `status` says.
//!
//! What came last over `control` counts more than the file `down`, until that comes or goes, or the service is let go of
//! (`x`). It counts less than a hold: a start over `control` lifts one, as `abide start` does.
//!
//! Let go of, a service is as one that svscan has just found: after a while it is as its files say. Until then nobody
//! listens.

use super::backlog::FileChange;
use super::effect::Effect;
use super::fleet::Fleet;
use super::instance::Instance;
use super::judge::Charge;
use super::member::{Kept, Member};
use super::phase::{Phase, Rest, Turn, Words};
use crate::model::desired::Definition;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::guise::Guise;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::policy::StopScope;
use crate::model::selector::Target;
use crate::model::service::Kind;
use crate::model::signal::Signal;
use crate::model::supervise::{Letter, Shown, Wish};
use crate::model::time::{Mono, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// After so long svscan looks again.
const SCAN: Duration = Duration::from_secs(5);

/// More signals than these do not wait for a process.
const MANY: usize = 16;

/// What a legacy service has beside the life of any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Supervised {
    /// `None`: what its files say.
    wish: Option<Wish>,
    paused: bool,
    term_sent: bool,
    leaving: Leaving,
    /// When it was found, for `status` as long as nothing has run.
    found: Wall,
    /// When its last process was ordered.
    ordered: Option<Mono>,
    /// Signals for a process that may be there already, and is not known yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    early: Vec<Signal>,
    /// Where the world was told to listen.
    #[serde(skip)]
    asked: Option<Arc<Definition>>,
    #[serde(skip)]
    shown: Option<Shown>,
}

/// How far it is let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Leaving {
    No,
    Asked,
    /// Until then.
    Gone(Mono),
}

impl Supervised {
    fn new(found: Wall) -> Self {
        let leaving = Leaving::No;
        Self {
            wish: None,
            paused: false,
            term_sent: false,
            leaving,
            found,
            ordered: None,
            early: Vec::new(),
            asked: None,
            shown: None,
        }
    }
}

/// Legacy services by their directories.
pub(super) type Homes = BTreeMap<String, ServiceName>;

impl Member {
    /// Whether it is a directory with `run`, and not the `log` of one.
    fn is_legacy(&self) -> bool {
        let service = self.accepted.as_ref().map(|definition| &definition.service);
        service.is_some_and(|service| service.kind == Kind::Daemontools && service.reads.is_none())
    }

    /// Whether the service is to run, were it alone: as its files say, or as was wished since.
    pub(super) fn is_enabled(&self, definition: &Definition) -> bool {
        let supervised = self.instances.first().and_then(|instance| instance.supervised.as_deref());
        match supervised {
            Some(Supervised { leaving: Leaving::Gone(_), .. } | Supervised { wish: Some(Wish::Down), .. }) => false,
            Some(Supervised { wish: Some(_), .. }) => true,
            _ => definition.service.enabled,
        }
    }
}

impl Fleet {
    /// Letters came over `supervise/control`.
    pub(super) fn commanded(&mut self, id: &InstanceId, letters: &[u8]) {
        for (byte, letter) in letters.iter().filter_map(|byte| Letter::of(*byte).map(|letter| (*byte, letter))) {
            let why: Words = format!("svc -{}", char::from(byte)).into();
            match letter {
                Letter::Wish(wish) => self.wish(id, wish, &why),
                Letter::Exit => self.touch(id, Instance::let_go),
                Letter::Pause => self.touch(id, |instance, turn| instance.pause(true, turn)),
                Letter::Continue => self.touch(id, |instance, turn| instance.pause(false, turn)),
                Letter::Signal(signal) => self.touch(id, |instance, turn| instance.pass_on(signal, turn)),
            }
        }
    }

    fn wish(&mut self, id: &InstanceId, wish: Wish, why: &Words) {
        self.touch(id, |instance, turn| instance.note_wish(wish, turn));
        if wish != Wish::Down {
            self.lift(&Target { service: id.service.clone(), index: None });
        }
        self.notice(&id.service);
        self.bring(&id.service, why);
        if wish != Wish::Down && self.asked(&id.service) {
            self.touch(id, |instance, turn| instance.rise(why, turn));
        }
    }

    /// One that was let go of is as its files say again, if its time has come.
    pub(super) fn returns(&mut self, id: &InstanceId) {
        let now = self.turn.now.mono;
        let instance = self.members.get_mut(&id.service).and_then(|member| member.instances.get_mut(id.index as usize));
        let Some(supervised) = instance.and_then(|it| it.supervised.as_mut()) else { return };
        if matches!(supervised.leaving, Leaving::Gone(at) if at <= now) {
            **supervised = Supervised::new(self.turn.now.wall);
            if self.members.get(&id.service).is_some_and(|member| member.kept == Some(Kept::Unlinked)) {
                return self.act_on(vec![(id.service.clone(), None)], &[]);
            }
            let why = "found again";
            self.bring(&id.service, &why.into());
            if self.asked(&id.service) {
                self.touch(id, |instance, turn| instance.rise(&why.into(), turn));
            }
        }
    }

    /// Takes out of `changes` those removals that stop nothing, if that is how it is to be; what goes on under another
    /// name is none.
    pub(super) fn keep_unlinked(&mut self, changes: &mut Vec<FileChange>) {
        if !self.backlog.rules.keep_legacy {
            return;
        }
        let renamed = self.renamed_in(changes);
        changes.retain(|(name, entry)| {
            if renamed.contains(name) {
                return true;
            }
            let member = self.members.get_mut(name).filter(|_| entry.is_none());
            let Some(member) = member.filter(|member| member.is_legacy() && !member.removed) else { return true };
            member.kept = Some(Kept::Unlinked);
            false
        });
    }

    /// Where legacy services are, and which: those in force, less those that `fresh` has anew.
    pub(super) fn homes(&self, fresh: &BTreeMap<ServiceName, Arc<Definition>>) -> Homes {
        let is_one = |definition: &Arc<Definition>| definition.service.kind == Kind::Daemontools;
        let was_refused = |name: &ServiceName| self.members.get(name).is_some_and(|it| it.kind == Kind::Daemontools);
        if !fresh.values().any(is_one) && !self.ties.refused.iter().any(was_refused) {
            return Homes::new();
        }
        let there = self.members.iter().filter(|(name, member)| !member.removed && !fresh.contains_key(*name));
        let legacy = there.filter(|(_, member)| member.is_legacy());
        let homes = legacy.filter_map(|(name, member)| Some((&member.accepted.as_ref()?.service.directory, name)));
        homes.map(|(directory, name)| (directory.clone(), name.clone())).collect()
    }

    /// What is wrong with `definition` because its directory is another service's already.
    pub(super) fn has_another_name(
        &self,
        name: &ServiceName,
        definition: &Definition,
        homes: &mut Homes,
    ) -> Option<Charge> {
        let service = &definition.service;
        if service.kind != Kind::Daemontools || service.reads.is_some() {
            return None;
        }
        let first = homes.entry(service.directory.clone()).or_insert_with(|| name.clone());
        if first == name {
            return None;
        }
        let file = self.members.get(name).map_or(Path::new(""), |member| &member.file);
        let message = format!("{} is the directory of the service {first} already", service.directory);
        let finding = Diagnostic::error(file, Code::DuplicateName, message).help("remove one of the two names");
        Some(Charge { findings: vec![finding], offered: None, missing: vec![first.clone()] })
    }

    /// The file `down` comes or goes: that counts more than what was wished. Under supervise what it said when the
    /// service was found counts until that is let go of.
    pub(super) fn note_down(&mut self, name: &ServiceName, new: &Definition) {
        let is_guise = self.turn.guise.is_some();
        let member = self.members.get_mut(name);
        for instance in member.into_iter().flat_map(|member| &mut member.instances) {
            if is_guise {
                instance.down_counted(new);
            } else {
                instance.down_changed(new);
            }
        }
    }

    /// An operator's start counts more than what was wished over `control`.
    pub(super) fn forget_wish(&mut self, target: &Target) {
        let Some(member) = self.members.get_mut(&target.service) else { return };
        for supervised in member.instances.iter_mut().filter_map(|instance| instance.supervised.as_mut()) {
            if supervised.wish == Some(Wish::Down) {
                supervised.wish = None;
            }
        }
    }
}

impl Instance {
    fn note_wish(&mut self, wish: Wish, turn: &mut Turn) {
        let Some(supervised) = &mut self.supervised else { return };
        supervised.wish = Some(wish);
        if wish != Wish::Down {
            return;
        }
        supervised.paused = false;
        supervised.term_sent = true;
        // Asked once more, it hears it once more.
        if let Phase::Stopping { run, ladder, .. } = self.phase
            && !ladder.main_gone()
        {
            let signal = self.wanted.service.stop.signal;
            self.signal(run, signal, StopScope::Process, turn);
            self.signal(run, Signal::CONT, StopScope::Process, turn);
        }
    }

    /// What had come to rest starts; what waits for its time goes on waiting.
    fn rise(&mut self, why: &Words, turn: &mut Turn) {
        if matches!(self.phase, Phase::Resting(Rest::Done | Rest::Failed)) {
            self.raise(false, why, turn);
        }
    }

    /// `x`: it is not started again, and once it has ended nobody listens any more.
    fn let_go(&mut self, _: &mut Turn) {
        if let Some(supervised) = self.supervised.as_mut().filter(|it| it.leaving == Leaving::No) {
            supervised.leaving = Leaving::Asked;
        }
    }

    fn pause(&mut self, paused: bool, turn: &mut Turn) {
        if let Some(supervised) = &mut self.supervised {
            supervised.paused = paused;
            self.pass_on(if paused { Signal::STOP } else { Signal::CONT }, turn);
        }
    }

    /// A signal to the process itself.
    fn pass_on(&mut self, signal: Signal, turn: &mut Turn) {
        let run = match self.phase {
            Phase::Running { run, .. } => run,
            Phase::Stopping { run, ladder, .. } if !ladder.main_gone() => run,
            Phase::Starting { .. } => {
                let early = self.supervised.as_mut().map(|it| &mut it.early);
                return early.into_iter().filter(|early| early.len() < MANY).for_each(|early| early.push(signal));
            }
            _ => return,
        };
        if let Some(supervised) = &mut self.supervised {
            supervised.term_sent |= signal == Signal::TERM;
        }
        self.signal(run, signal, StopScope::Process, turn);
    }

    /// Its process is there: what came for it meanwhile is sent.
    pub(super) fn pass_on_early(&mut self, turn: &mut Turn) {
        let early = self.supervised.as_mut().map(|it| std::mem::take(&mut it.early)).unwrap_or_default();
        for signal in early {
            self.pass_on(signal, turn);
        }
    }

    /// Why it is not to be started again, if that is so.
    pub(super) fn ran_for_once(&self) -> Option<&'static str> {
        let supervised = self.supervised.as_ref()?;
        match (supervised.leaving, supervised.wish) {
            (Leaving::Asked, _) => Some("let go of by svc -x"),
            (_, Some(Wish::Once)) => Some("it was to run once"),
            _ => None,
        }
    }

    /// Whom an end of it reaches. What a legacy service started is its own affair, as under supervise, unless abide is to
    /// end it for good: then nothing stays behind.
    pub(super) fn reach(&self) -> StopScope {
        let is_let_be = self.supervised.as_ref().is_some_and(|it| self.want || it.wish == Some(Wish::Down));
        if is_let_be { StopScope::Process } else { self.wanted.service.stop.scope }
    }

    /// Whether it has for ever to end: it was asked to over `control`, and nobody else wants it to.
    pub(super) fn may_linger(&self) -> bool {
        self.wanted.service.stop.patient && self.is_wished_down()
    }

    /// Whether it is down since that was asked for over `control`.
    pub(super) fn is_wished_down(&self) -> bool {
        self.supervised.as_ref().is_some_and(|it| it.wish == Some(Wish::Down))
    }

    /// The file `down` came or went: that counts now.
    fn down_changed(&mut self, new: &Definition) {
        let enabled = self.wanted.service.enabled;
        if let Some(supervised) = self.supervised.as_mut().filter(|_| enabled != new.service.enabled) {
            supervised.wish = None;
        }
    }

    /// The same under supervise, where it counts once: as the service is found.
    fn down_counted(&mut self, new: &Definition) {
        let enabled = self.wanted.service.enabled;
        if let Some(supervised) = self.supervised.as_mut().filter(|_| enabled != new.service.enabled) {
            supervised.wish.get_or_insert(if enabled { Wish::Up } else { Wish::Down });
        }
    }

    /// How long the next start has to wait: two are never less than so far apart.
    pub(super) fn next_start(&self) -> Option<Mono> {
        let ordered = self.supervised.as_ref()?.ordered?;
        Some(ordered.plus(self.wanted.service.restart.spacing))
    }

    /// A process is ordered.
    pub(super) fn begins(&mut self, now: Mono) {
        if let Some(it) = &mut self.supervised {
            (it.ordered, it.paused, it.term_sent) = (Some(now), false, false);
            it.early.clear();
            if it.leaving != Leaving::Asked {
                it.leaving = Leaving::No;
            }
        }
    }

    /// When one that was let go of is found again.
    pub(super) fn return_time(&self) -> Option<Mono> {
        match self.supervised.as_ref()?.leaving {
            Leaving::Gone(at) => Some(at),
            Leaving::No | Leaving::Asked => None,
        }
    }

    /// The world listens where it did, and knows that by this definition from now on.
    pub(super) fn is_asked_as(&mut self, definition: &Arc<Definition>) {
        if let Some(asked) = self.supervised.as_mut().and_then(|it| it.asked.as_mut()) {
            asked.clone_from(definition);
        }
    }

    /// Whether it has a `supervise/`, or had one.
    pub(super) fn is_supervised(&self) -> bool {
        self.supervised.is_some() || self.wanted.service.kind == Kind::Daemontools
    }

    /// Whether the world holds its `supervise/`.
    pub(super) fn is_listened_to(&self) -> bool {
        self.supervised.as_ref().is_some_and(|it| it.asked.is_some())
    }

    /// Has the world listen, and tells it what there is to show.
    pub(super) fn show(&mut self, turn: &mut Turn) {
        if self.wanted.service.kind != Kind::Daemontools {
            if self.supervised.take().is_some_and(|it| it.asked.is_some()) {
                turn.effects.push(Effect::Unsupervise { instance: self.id.clone() });
            }
            return;
        }
        let shown = self.as_shown(turn.now.wall);
        let (rests, instance) = (self.rests(), self.id.clone());
        let it = self.supervised.get_or_insert_with(|| Box::new(Supervised::new(turn.now.wall)));
        if let Leaving::Gone(_) = it.leaving {
            return;
        }
        let is_elsewhere =
            it.asked.as_ref().is_none_or(|asked| asked.service.directory != self.wanted.service.directory);
        if is_elsewhere {
            it.asked = Some(self.wanted.clone());
            let (instance, definition) = (instance.clone(), self.wanted.clone());
            turn.effects.push(Effect::Supervise { instance, definition, shown });
        } else if it.shown != Some(shown) {
            turn.effects.push(Effect::Show { instance: instance.clone(), shown });
        }
        it.shown = Some(shown);
        if it.leaving == Leaving::Asked && rests {
            (it.leaving, it.wish, it.asked) = (Leaving::Gone(turn.now.mono.plus(SCAN)), None, None);
            turn.effects.push(Effect::Unsupervise { instance });
            turn.last_word.let_go |= matches!(turn.guise, Some(Guise::Supervise { .. }));
        }
    }

    fn as_shown(&self, now: Wall) -> Shown {
        let it = self.supervised.as_deref();
        let living = self.process.as_ref().filter(|_| match self.phase {
            Phase::Running { .. } => true,
            Phase::Stopping { ladder, .. } => !ladder.main_gone(),
            _ => false,
        });
        let ended = || self.last.map_or_else(|| it.map_or(now, |it| it.found), |last| last.at);
        Shown {
            since: living.map_or_else(ended, |process| process.started),
            pid: living.map_or(0, |process| process.pid),
            paused: it.is_some_and(|it| it.paused),
            term_sent: it.is_some_and(|it| it.term_sent),
            wish: match it.and_then(|it| it.wish) {
                Some(Wish::Once) => Wish::Once,
                _ if self.want => Wish::Up,
                _ => Wish::Down,
            },
            // The world knows best when that is.
            finishing: false,
        }
    }
}
