//! The configuration files of one service, `[reload] watch`: what they held, and what of it is
//! other now. By content: a touch, or the same text once more, is no change.

use super::open::OpenFile;
use super::pattern::{Pattern, Sight};
use super::read::{self, Care, Stamp};
use super::settle::Outcome;
use super::trust::Trust;
use super::watch::Want;
use crate::host::sys::eyes::Eyes;
use crate::model::diagnostic::Code;
use crate::model::launch::expand_for;
use crate::model::service::{Identity, Service};
use crate::model::time::Mono;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Digest = [u8; 32];

/// What is known of one file.
#[derive(Debug, Clone, Copy)]
struct Known {
    stamp: Stamp,
    /// Whether an equal stamp would prove nothing.
    racy: bool,
    /// Of its bytes; `None`: it was there at the first look, and could not be read for certain yet.
    digest: Option<Digest>,
    missing_since: Option<Mono>,
}

/// The files that one service wants to hear of.
#[derive(Debug)]
pub(super) struct Followed {
    patterns: Vec<Pattern>,
    known: BTreeMap<PathBuf, Known>,
    /// Looks that could not tell whether somebody writes.
    doubts: BTreeMap<PathBuf, (Stamp, Instant)>,
    /// What is new at the next look was there before, as far as anybody knows.
    is_fresh: bool,
    is_cut: bool,
    /// Whose eyes see them; `None`: abide's own.
    eyes: Option<Identity>,
}

/// What a look at them came to.
#[derive(Debug)]
pub(super) struct Found {
    /// For settling.
    pub(super) outcome: Outcome,
    pub(super) wants: Vec<Want>,
    /// Those that are other than they were: changed, new, or gone for longer than a rename takes.
    pub(super) changed: Vec<PathBuf>,
    /// Whether some are missing that may come back.
    pub(super) is_missing: bool,
    /// Whether some must be looked at again to be sure.
    pub(super) is_doubtful: bool,
    /// For the first time there are more than are followed.
    pub(super) is_cut: bool,
}

/// The patterns of a service as all its instances see them.
pub(super) fn patterns(service: &Service) -> Vec<Pattern> {
    let Some(reload) = &service.reload else { return Vec::new() };
    let of = |index| {
        let directory = expand_for(service, index, &service.directory).unwrap_or_default();
        // What cannot be expanded cannot be started either, and is told there.
        let texts = reload.watch.iter().filter_map(move |text| expand_for(service, index, text).ok());
        texts.filter_map(move |text| Pattern::parse(&text, Path::new(&directory)))
    };
    let mut patterns: Vec<_> = (0..service.instances).flat_map(of).collect();
    patterns.sort();
    patterns.dedup();
    patterns
}

enum Read {
    Bytes(Digest),
    Busy,
    Doubtful,
    Unreadable,
}

impl Followed {
    pub(super) fn new(patterns: Vec<Pattern>, eyes: Option<Identity>) -> Self {
        let (known, doubts) = (BTreeMap::new(), BTreeMap::new());
        Self { patterns, known, doubts, is_fresh: true, is_cut: false, eyes }
    }

    /// From now on these; whether they are others. What is known of theirs stays known.
    pub(super) fn set(&mut self, patterns: Vec<Pattern>, eyes: Option<Identity>) -> bool {
        if self.patterns == patterns && self.eyes == eyes {
            return false;
        }
        self.eyes = eyes;
        self.known.retain(|path, _| patterns.iter().any(|pattern| pattern.means(path)));
        (self.patterns, self.is_fresh, self.is_cut) = (patterns, true, false);
        true
    }

    /// Looks at all of them; reads those whose stamp is not what it was. Absence counts after `grace`.
    /// `None`: it cannot be looked at with the eyes of whom it is for.
    pub(super) fn look(&mut self, trust: &Trust, now: Mono, grace: Duration) -> Option<Found> {
        let _eyes = self.eyes.as_ref().map(|it| Eyes::of(it.uid, it.gid, &it.groups)).transpose().ok()?;
        let mut sight = Sight::default();
        for pattern in &self.patterns {
            pattern.look(trust, &mut sight);
        }
        let mut changed = Vec::new();
        let (mut is_busy, mut is_doubtful) = (false, false);
        let doubts = std::mem::take(&mut self.doubts);
        for (path, found) in &sight.files {
            let Ok(file) = found else { continue };
            let stamp = Stamp::of(&file.stat);
            let before = self.known.get_mut(path);
            if let Some(known) = before
                && (known.stamp, known.racy) == (stamp, false)
                && known.digest.is_some()
            {
                known.missing_since = None;
                continue;
            }
            let doubt = doubts.get(path).copied().filter(|(earlier, _)| *earlier == stamp);
            let digest = match read(file, path, doubt) {
                Read::Bytes(digest) => Some(digest),
                Read::Busy => {
                    is_busy = true;
                    self.came_back(path);
                    continue;
                }
                Read::Doubtful => {
                    is_doubtful = true;
                    self.doubts.insert(path.clone(), doubt.unwrap_or((stamp, Instant::now())));
                    self.came_back(path);
                    // To be compared with nothing, once it can be read for certain.
                    if self.known.contains_key(path) || !self.is_fresh {
                        continue;
                    }
                    None
                }
                Read::Unreadable => {
                    self.came_back(path);
                    continue;
                }
            };
            let known = Known { stamp, racy: stamp.is_racy(), digest, missing_since: None };
            match self.known.insert(path.clone(), known) {
                Some(before) if before.digest.is_some() && before.digest != digest => changed.push(path.clone()),
                None if !self.is_fresh => changed.push(path.clone()),
                _ => {}
            }
        }
        let is_missing = self.miss(&sight, now, grace, &mut changed);
        let is_cut = sight.is_cut && !std::mem::replace(&mut self.is_cut, sight.is_cut);
        self.is_fresh = false;
        let outcome = match () {
            () if !changed.is_empty() => Outcome::Good,
            () if is_doubtful => Outcome::Doubtful,
            () if is_busy => Outcome::Busy,
            () => Outcome::Same,
        };
        Some(Found { outcome, wants: sight.wants, changed, is_missing, is_doubtful, is_cut })
    }

    fn came_back(&mut self, path: &Path) {
        if let Some(known) = self.known.get_mut(path) {
            known.missing_since = None;
        }
    }

    /// Those that were there and are not; whether some of them may still come back.
    fn miss(&mut self, sight: &Sight, now: Mono, grace: Duration, changed: &mut Vec<PathBuf>) -> bool {
        let mut is_missing = false;
        self.known.retain(|path, known| {
            if matches!(sight.files.get(path), Some(Ok(_))) {
                return true;
            }
            let since = *known.missing_since.get_or_insert(now);
            let is_gone = since.plus(grace) <= now;
            is_missing |= !is_gone;
            if is_gone {
                changed.push(path.clone());
            }
            !is_gone
        });
        is_missing
    }
}

fn read(file: &OpenFile, path: &Path, doubt: Option<(Stamp, Instant)>) -> Read {
    let earlier = doubt.map(|(stamp, at)| (stamp, at.elapsed()));
    match read::read(file, path, Care::Writers(earlier)) {
        read::Content::Bytes(bytes) => Read::Bytes(Sha256::digest(&bytes).into()),
        read::Content::Busy => Read::Busy,
        read::Content::Doubtful => Read::Doubtful,
        // What is large is told apart by its stamp.
        read::Content::Bad(finding) if finding.code == Code::TooLarge => {
            Read::Bytes(Sha256::digest(Stamp::of(&file.stat).text()).into())
        }
        read::Content::Bad(_) => Read::Unreadable,
    }
}
