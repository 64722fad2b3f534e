//! What is due is looked at, and what was found settles, is published, or goes.

use super::{Why, Worker};
use crate::model::name::ServiceName;
use crate::model::time::Mono;
use crate::source::catalogue::{Content, Found, Key, service_of};
use crate::source::entry::{Naming, drop_ins_of, main_of, naming_as};
use crate::source::look::{Eye, Look};
use crate::source::settle::{Outcome, Seen, Verdict};
use crate::source::watch::Target;
use crate::source::{Known, Material};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

impl<C> Worker<C> {
    /// Looks at everything that is due.
    pub(super) fn turn(&mut self) {
        loop {
            let now = self.now();
            let due = self.settle.due(now);
            if due.is_empty() {
                return;
            }
            for key in due {
                if key == Key::CONFIG {
                    self.examine_config(now);
                } else {
                    self.examine(key, now);
                }
            }
        }
    }

    fn examine(&mut self, key: Key, now: Mono) {
        let Some((source, look)) = self.look(key) else { return self.settle.forget(key) };
        let Look { outcome, found, refreshed, wants, doubt, stood } = look;
        let must_look = self.watch.want(Target::Candidate(key), wants);
        if let Some(candidate) = self.catalogue.get_mut(key) {
            candidate.doubt = (!doubt.is_empty()).then(|| match candidate.doubt.take() {
                Some((stamps, at)) if stamps == doubt => (stamps, at),
                _ => (doubt, Instant::now()),
            });
            if refreshed.is_some() || outcome == Outcome::Same {
                candidate.by_scan = false;
            }
            if refreshed.is_some() {
                candidate.content = refreshed;
                candidate.reload = false;
            }
        }
        if outcome == (Outcome::Gone { known: true }) && !self.is_where_it_was(source) {
            return;
        }
        let is_new = self.catalogue.get(key).is_some_and(|candidate| candidate.standing.is_none());
        let verdict = if is_new && stood && matches!(outcome, Outcome::Bad(_)) {
            self.settle.forget(key);
            Verdict::Publish
        } else {
            self.settle.looked(key, outcome, now)
        };
        match (verdict, found) {
            (Verdict::Publish, Some(found)) => self.publish(source, key, found, now),
            (Verdict::Remove, _) => self.remove(key, now),
            _ => {}
        }
        if must_look {
            self.settle.note(key, Seen::Found, now);
        }
    }

    fn look(&mut self, key: Key) -> Option<(usize, Look)> {
        let candidate = self.catalogue.get(key)?;
        let source = candidate.source;
        let root = &self.roots[source];
        let directory = root.speaking()?;
        let delegation = root.delegation();
        let _eyes = root.eyes().ok()?;
        let around = match &candidate.naming {
            Naming::File(_) | Naming::Programs => root.drop_ins.contains(&candidate.name),
            Naming::DropIns => self.catalogue.find(source, &main_of(&candidate.name)).is_some(),
            _ => false,
        };
        let trust = root.trust(&self.trust);
        // Who has no part of it yet finds out without being read: many files cost no more than their names.
        let is_new = candidate.cost().services == 0;
        let full = delegation.filter(|_| is_new).and_then(|delegation| {
            let shown = self.catalogue.shown(source, &candidate.name);
            delegation.full(&shown, self.catalogue.spent_by(source, key))
        });
        let known = match &candidate.naming {
            Naming::Programs => self.sections.of(&self.catalogue.shown(source, &candidate.name)),
            _ => Known::new(),
        };
        let delegated = delegation.map(Arc::as_ref);
        let eye = Eye { trust, careful: true, delegation: delegated, full, guise: self.guise.as_ref(), known };
        let mut load = self.configuration.load(delegation);
        let mut ration = |name: &ServiceName, material: &Material| {
            let mut loaded = load(name, material);
            self.catalogue.ration(key, delegation, &mut loaded.entries, material);
            loaded
        };
        let look = eye.look(&self.catalogue, key, directory, around, &mut ration);
        Some((source, look))
    }

    /// Before something counts as gone: whether it is not its directory that is.
    fn is_where_it_was(&mut self, source: usize) -> bool {
        if !self.roots[source].is_where_it_was(&self.trust) {
            self.scan(source, Why::Told);
        }
        self.roots[source].speaking().is_some()
    }

    fn publish(&mut self, source: usize, key: Key, found: Found, now: Mono) {
        let Some(candidate) = self.catalogue.get_mut(key) else { return };
        let is_new = candidate.standing.is_none();
        let missed = std::mem::take(&mut candidate.by_scan) && self.roots[source].polled.is_none();
        if missed {
            self.roots[source].missed_one();
        }
        let drop_ins = parts_of(&candidate.naming, &candidate.name);
        if let Found::Entries(_, content) = &found
            && is_new
            && let Some(other) = self.before_its_rename(content)
        {
            let paths = self.programs_of(other).zip(self.programs_of(key));
            if paths.is_some_and(|(from, to)| self.sections.rename(&from, &to)) {
                // With what is known of it now, what is broken in it is about the same services as before.
                return self.settle.note(key, Seen::Found, now);
            }
            let named = |key| self.catalogue.get(key).and_then(|candidate| service_of(&candidate.naming).cloned());
            self.renamed.extend(named(other).zip(named(key)));
            self.remove(other, now);
        }
        if let Found::Control(bytes, _) = &found {
            self.control_said(key, bytes);
        }
        if let Found::Entries(loaded, _) = &found
            && let Some(file) = self.programs_of(key)
        {
            self.sections.learn(&file, loaded);
        }
        for heir in self.catalogue.publish(key, found) {
            self.settle.note(heir, Seen::Found, now);
        }
        self.look_again(source, drop_ins, now);
    }

    /// The path of a file of supervisord.
    fn programs_of(&self, key: Key) -> Option<PathBuf> {
        let candidate = self.catalogue.get(key).filter(|candidate| candidate.naming == Naming::Programs)?;
        Some(self.catalogue.shown(candidate.source, &candidate.name))
    }

    /// Who of those that wait out their grace was this file under its old name: the very file, or else one of the
    /// same content. Of many that are alike only one, since the others may be gone for good.
    fn before_its_rename(&self, now: &Content) -> Option<Key> {
        let before = |key: Key| Some((key, self.catalogue.get(key)?.content.as_ref()?));
        let is_same_file = |(_, before): &(Key, &Content)| match (&before.home, &now.home) {
            (Some(before), Some(now)) => before == now,
            _ => before.stamps.first().zip(now.stamps.first()).is_some_and(|(before, now)| before.is_same_file(now)),
        };
        // One that is there again waits only until it is looked at.
        let absent = || self.settle.absent().filter_map(before);
        let found = absent().find(|it| is_same_file(it) && self.is_not_there(it.0));
        // Under svscan what is in a directory is not read: all of them are alike.
        let is_alike = |before: &Content| self.guise.is_none() && before.digest == now.digest;
        let alike = || absent().find(|(key, before)| is_alike(before) && self.is_not_there(*key));
        found.or_else(alike).map(|(key, _)| key)
    }

    fn is_not_there(&self, key: Key) -> bool {
        let Some(candidate) = self.catalogue.get(key) else { return false };
        let directory = self.roots[candidate.source].speaking();
        directory.is_none_or(|directory| directory.lstat(&candidate.name).is_none())
    }

    fn remove(&mut self, key: Key, now: Mono) {
        let Some(candidate) = self.catalogue.get(key) else { return };
        let source = candidate.source;
        // Of what was never told nobody missed the end.
        let missed = candidate.by_scan && candidate.standing.is_some() && self.roots[source].polled.is_none();
        if missed {
            self.roots[source].missed_one();
        }
        let drop_ins = parts_of(&candidate.naming, &candidate.name);
        if let Some(file) = self.programs_of(key) {
            self.sections.forget(&file);
        }
        for heir in self.drop_candidate(key) {
            self.settle.note(heir, Seen::Found, now);
        }
        if self.roots[source].delegation().is_some() {
            self.ration_anew(source, now);
        }
        self.look_again(source, drop_ins, now);
    }

    /// A folder of drop-ins means something or nothing as its service comes or goes.
    fn look_again(&mut self, source: usize, drop_ins: Option<OsString>, now: Mono) {
        let Some(name) = drop_ins else { return };
        let naming = naming_as(self.guise.as_ref(), &name);
        if naming == Naming::DropIns && self.roots[source].drop_ins.contains(&main_of(&name)) {
            let key = self.catalogue.intern(source, &name, naming);
            self.settle.note(key, Seen::Found, now);
        }
    }

    pub(super) fn drop_candidate(&mut self, key: Key) -> Vec<Key> {
        self.settle.forget(key);
        let control = self.catalogue.get(key).and_then(|candidate| match candidate.naming {
            Naming::Control(control) => Some((candidate.source, control)),
            _ => None,
        });
        if let Some((source, control)) = control {
            self.control_gone(source, control);
        }
        self.watch.want(Target::Candidate(key), Vec::new());
        self.catalogue.remove(key)
    }

    fn examine_config(&mut self, now: Mono) {
        let look = self.configuration.look(&self.own);
        let must_look = self.watch.want(Target::Candidate(Key::CONFIG), look.wants);
        let is_new = match (self.settle.looked(Key::CONFIG, look.outcome, now), look.found) {
            (Verdict::Publish, Some(found)) => self.configuration.accept(found),
            (Verdict::Remove, _) => {
                self.configuration.vanished();
                false
            }
            _ => false,
        };
        if is_new {
            self.settle.set_grace(self.configuration.timing().grace);
            self.trust = super::trust_of(&self.configuration, self.own.uid(), self.guise.as_ref());
            self.delegate();
            self.settle.set_leads(!self.configuration.timing().atomic);
            self.reloads.set_grace(self.configuration.timing().grace);
            self.plan_rescan();
            self.reload(now);
        }
        if must_look {
            self.settle.note(Key::CONFIG, Seen::Found, now);
        }
    }

    /// What had no room in a source may have it now.
    fn ration_anew(&mut self, source: usize, now: Mono) {
        let of_source = self.catalogue.of_source(source);
        let troubled: Vec<Key> =
            of_source.filter(|(_, candidate)| self.catalogue.is_troubled(candidate)).map(|(key, _)| key).collect();
        for key in troubled {
            if let Some(candidate) = self.catalogue.get_mut(key) {
                candidate.reload = true;
                self.settle.note(key, Seen::Found, now);
            }
        }
    }

    /// What holds for all services changed: each is loaded anew, and those that mean the same say nothing.
    fn reload(&mut self, now: Mono) {
        for key in self.catalogue.keys() {
            if let Some(candidate) = self.catalogue.get_mut(key)
                && candidate.content.is_some()
            {
                candidate.reload = true;
                self.settle.note(key, Seen::Found, now);
            }
        }
    }
}

/// The name of its drop-ins, if it may have such.
fn parts_of(naming: &Naming, name: &OsStr) -> Option<OsString> {
    matches!(naming, Naming::File(_) | Naming::Programs).then(|| drop_ins_of(name))
}
