//! Orders about reconciling itself: what waits for a yes, and what is to wait.

use super::backlog::{in_words, shown};
use super::fleet::Fleet;
use super::obey::Word;
use super::operator::told;
use crate::model::name::ServiceName;
use crate::model::order::{Author, Done, Hold};
use crate::model::selector::Target;
use std::collections::BTreeSet;

impl Fleet {
    /// Removals that wait go ahead: those of `targets`, or without any all.
    pub(super) fn confirm(&mut self, targets: &[Target]) -> Vec<Done> {
        let names = services(targets);
        let going = self.confirmed(&names);
        let gone: BTreeSet<ServiceName> = going.iter().map(|(name, _)| name.clone()).collect();
        self.act_on(going, &[]);
        if names.is_empty() && gone.is_empty() {
            return vec![told_of_all(Word::idle("no removal waits to be confirmed"))];
        }
        let meant = if names.is_empty() { gone.iter().cloned().collect() } else { names };
        let word = |name: &ServiceName| {
            if gone.contains(name) {
                Word::done("is stopped, since its file is gone")
            } else {
                Word::idle("has no removal that waits to be confirmed: its file is there")
            }
        };
        meant.iter().map(|name| told(&whole(name), vec![word(name)])).collect()
    }

    /// Nothing that changes in the files is acted on: in those of `targets`, or without any in all.
    pub(super) fn freeze(&mut self, targets: &[Target], author: &Author, reason: Option<&String>) -> Vec<Done> {
        let hold = Hold { by: shown(author), reason: reason.cloned(), since: self.turn.now.wall, until: None };
        if targets.is_empty() {
            self.suspend(None, hold);
            let words = "nothing that changes in the files is acted on until `abide resume`; what runs is supervised";
            return vec![everything(words.to_owned())];
        }
        let word = |name: &ServiceName| {
            Word::done(format!(
                "is suspended: its files may change, and nothing comes of it until `abide resume {name}`"
            ))
        };
        let names = services(targets);
        for name in &names {
            self.suspend(Some(name.clone()), hold.clone());
        }
        names.iter().map(|name| told(&whole(name), vec![word(name)])).collect()
    }

    /// What was suspended is not any more, and what changed meanwhile is acted on, as one batch.
    pub(super) fn thaw(&mut self, targets: &[Target]) -> Vec<Done> {
        let names = services(targets);
        let mut done = Vec::new();
        if names.is_empty() && self.wave_on() {
            done.push(everything("the edits that waited go on, in spite of those that failed".to_owned()));
        }
        if names.is_empty() && self.unsuspend(None) {
            done.push(everything("files are acted on again".to_owned()));
        }
        let meant = if names.is_empty() { self.suspended_by_name() } else { names };
        for name in meant {
            let word = match (self.unsuspend(Some(&name)), self.all_suspended()) {
                (true, None) => Word::done("is not suspended any more"),
                (true, Some(all)) => Word::done(format!("is suspended with all others still ({})", in_words(all))),
                (false, Some(_)) => {
                    Word::refused("is suspended with all others: `abide resume`, without a name, ends that")
                }
                (false, None) => Word::idle("is not suspended"),
            };
            done.push(told(&whole(&name), vec![word]));
        }
        if done.is_empty() {
            let directories = self.sources.iter().filter(|source| source.hold.is_some());
            let files: Vec<String> = directories.map(|source| format!("{}/.abide-hold", source.path)).collect();
            let word = match files.as_slice() {
                [] => Word::idle("nothing is suspended"),
                files => Word::refused(format!("is suspended by a file: remove {}", files.join(" and "))),
            };
            done.push(told_of_all(word));
        }
        let resumed = self.resumed();
        let admitted = self.admit(resumed, &[]);
        self.act_on(admitted, &[]);
        done
    }
}

impl Fleet {
    /// Every process of the targets is restarted, those of one service one after the other.
    pub(super) fn roll_each(&mut self, targets: &[Target], author: &Author) -> Vec<Done> {
        let mut done = Vec::new();
        for name in services(targets) {
            self.take_turn(&name);
            let count = self.roll_restart(&name, format!("restarted by {}", author.name).into());
            self.conclude(&name);
            let word = match count {
                0 => Word::refused("does not run: `abide start` or `abide restart` starts it"),
                1 => Word::done("restarts"),
                count => Word::done(format!("restarts its {count} processes one after the other")),
            };
            done.push(told(&whole(&name), vec![word]));
        }
        done
    }
}

/// Each service once: what is said of its files is said of all its instances.
fn services(targets: &[Target]) -> Vec<ServiceName> {
    let names: BTreeSet<ServiceName> = targets.iter().map(|target| target.service.clone()).collect();
    names.into_iter().collect()
}

fn whole(name: &ServiceName) -> Target {
    Target { service: name.clone(), index: None }
}

fn everything(words: String) -> Done {
    told_of_all(Word::done(words))
}

fn told_of_all(word: Word) -> Done {
    Done { target: "reconciling".to_owned(), done: word.done, words: word.text, refused: word.refused }
}
