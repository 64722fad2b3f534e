//! Sources against what is known of them: where they lead, which names came, went or are other.
//! Looks at directories; of files it reads stamps at most.

use super::{Why, Worker};
use crate::model::status::SourceState;
use crate::model::time::Mono;
use crate::source::catalogue::Key;
use crate::source::entry::{Control, Naming, main_of, naming_as};
use crate::source::open::{Directory, file_type};
use crate::source::read::Stamp;
use crate::source::root::{Root, wall};
use crate::source::scan::scan;
use crate::source::settle::Seen;
use crate::source::watch::{Target, Which};
use nix::sys::statfs::{FUSE_SUPER_MAGIC, FsType, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, fstatfs};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::DirBuilderExt;
use std::time::Instant;

/// So many names are looked at in a source that is handed to somebody, or twice as many as it may have services.
const MOST_NAMES: usize = 2_000;

impl<C> Worker<C> {
    /// `abide.toml` says which sources are handed to whom: each is watched, and taken anew where that is news.
    pub(super) fn delegate(&mut self) {
        let first_new = self.roots.len();
        let delegations = if self.own.uid() == 0 { self.configuration.sources() } else { Vec::new() };
        for delegation in &delegations {
            if !self.roots.iter().any(|root| delegation.is_of(&root.given)) {
                self.catalogue.add_source(delegation.path.clone());
                self.roots.push(Root::new(delegation.path.clone()));
            }
        }
        let now = self.now();
        for source in 0..self.roots.len() {
            let root = &mut self.roots[source];
            let delegation = delegations.iter().find(|delegation| delegation.is_of(&root.given));
            if !root.delegate(delegation) && source < first_new {
                continue;
            }
            for heir in self.catalogue.set_delegated(source, delegation.is_some()) {
                self.settle.note(heir, Seen::Found, now);
            }
            if !self.is_first {
                // Before anything in it is looked at again.
                self.scan(source, if source < first_new { Why::Told } else { Why::First });
            }
        }
    }

    /// Something happened to a name in a source.
    pub(super) fn entry(&mut self, source: usize, name: &OsStr, seen: Seen, now: Mono) {
        let naming = naming_as(self.guise.as_ref(), name);
        let root = &mut self.roots[source];
        root.last_event = Some(wall());
        let Some(directory) = root.speaking() else {
            // Whatever made it silent may be over.
            return self.scan(source, Why::Told);
        };
        if naming == Naming::Ignored || self.configuration.is_at(&directory.path, name) {
            return;
        }
        let is_link = seen == Seen::Created && directory.lstat(name).is_some_and(|stat| is_complete(&stat));
        let seen = if is_link { Seen::Arrived } else { seen };
        if naming == Naming::DropIns {
            let main = main_of(name);
            if seen == Seen::Vanished {
                root.drop_ins.remove(&main);
            } else {
                root.drop_ins.insert(main.clone());
            }
            if let Some(main) = self.catalogue.find(source, &main) {
                self.settle.note(main, Seen::Changed, now);
            }
        }
        if seen != Seen::Vanished && naming == Naming::Control(Control::Hold) {
            self.hold_seen(source, name);
        }
        if seen != Seen::Vanished {
            let key = self.catalogue.intern(source, name, naming);
            let troubled = self.catalogue.get(key).is_some_and(|candidate| self.catalogue.is_troubled(candidate));
            if let Some(candidate) = self.catalogue.get_mut(key) {
                candidate.by_scan = false;
                // Who mended what is around the file, its user or its program, says so by a touch.
                candidate.reload |= troubled;
            }
            self.settle.note(key, seen, now);
        } else if let Some(key) = self.catalogue.find(source, name) {
            if self.catalogue.get(key).is_some_and(|candidate| candidate.standing.is_none()) {
                self.drop_candidate(key);
            } else {
                self.settle.note(key, seen, now);
            }
        }
    }

    pub(super) fn scan_all(&mut self, why: Why) {
        self.trust.refresh();
        self.own.refresh();
        self.roots.iter().for_each(Root::refresh);
        (0..self.roots.len()).for_each(|source| self.scan(source, why));
        if why != Why::First {
            self.settle.note(Key::CONFIG, Seen::Found, self.now());
            self.reloads.note_all(self.now());
        }
    }

    /// Walks to a source anew and compares what is there with what is known.
    pub(super) fn scan(&mut self, source: usize, why: Why) {
        let started = Instant::now();
        let _eyes = match self.roots[source].eyes() {
            Ok(eyes) => eyes,
            Err(silent) => return self.silence(source, silent),
        };
        // Watched first, listed then: what comes in between is seen twice, not missed.
        let id = match self.reach(source, why) {
            Ok(id) => id,
            Err(silent) => return self.silence(source, silent),
        };
        let polled = self.unwatched(source);
        let root = &mut self.roots[source];
        root.scans += u64::from(why == Why::Safety);
        root.polled =
            polled.or_else(|| root.directory.as_ref().and_then(silent_kind)).or_else(|| root.distrusted.clone());
        let listed = root.directory.as_ref().map_or(Ok(Vec::new()), |found| scan(found, self.guise.as_ref()));
        let names = match listed {
            Ok(names) => names,
            Err(errno) => {
                let reason = format!("it cannot be listed: {}", errno.desc());
                return self.silence(source, (SourceState::Suspect, reason));
            }
        };
        let most = root.delegation().map(|delegation| MOST_NAMES.max(2 * delegation.caps.services as usize));
        if let Some(most) = most.filter(|most| names.len() > *most) {
            let reason = format!("it holds {} names, more than {most}; remove what is no service", names.len());
            return self.silence_listed(source, (SourceState::Suspect, reason));
        }
        let is_other = root.id.is_some_and(|before| before != id);
        let was_empty = self.catalogue.services_of(source) == 0;
        if names.is_empty() && !was_empty && is_other {
            let reason = "an empty directory took its place; fill it, or restore the one that was there".into();
            return self.silence_listed(source, (SourceState::Suspect, reason));
        }
        (root.silent, root.id) = (None, Some(id));
        self.compare(source, names, why);
        let root = &mut self.roots[source];
        (root.last_scan, root.scan_time) = (Some(wall()), started.elapsed());
    }

    /// Walks to a source and watches it and what leads there, until it is watched where it was found.
    fn reach(&mut self, source: usize, why: Why) -> Result<(u64, u64), (SourceState, String)> {
        loop {
            let directory = match self.roots[source].open(&self.trust) {
                Err((SourceState::Absent, _)) if why == Why::First && self.roots[source].delegation().is_none() => {
                    self.create(source)
                }
                opened => opened,
            }?;
            let entries = vec![(directory.path.clone(), Which::All)];
            let id = directory.id;
            self.roots[source].found(directory);
            let ways = self.roots[source].ways();
            let is_way_new = self.watch.want(Target::Source(source), ways);
            if !(self.watch.want(Target::Entries(source), entries) || is_way_new) {
                return Ok(id);
            }
        }
    }

    /// Names that came, went, or are other than they were.
    fn compare(&mut self, source: usize, names: Vec<(OsString, Naming)>, why: Why) {
        let now = self.now();
        let drop_ins = names.iter().filter(|(_, naming)| *naming == Naming::DropIns);
        self.roots[source].drop_ins = drop_ins.map(|(name, _)| main_of(name)).collect();
        let mut gone: BTreeSet<Key> = if why == Why::First {
            BTreeSet::new()
        } else {
            self.catalogue.of_source(source).map(|(key, _)| key).collect()
        };
        for (name, naming) in names {
            let Some(directory) = &self.roots[source].directory else { return };
            if self.configuration.is_at(&directory.path, &name) {
                continue;
            }
            let holds = naming == Naming::Control(Control::Hold);
            let key = self.catalogue.intern(source, &name, naming);
            if holds {
                self.hold_seen(source, &name);
            }
            gone.remove(&key);
            if why != Why::First && !self.is_other(source, key) {
                continue;
            }
            // What is being settled is known of already.
            if let Some(candidate) = self.catalogue.get_mut(key)
                && !self.settle.is_pending(key)
            {
                candidate.by_scan = why == Why::Safety;
            }
            self.settle.note(key, Seen::Found, now);
        }
        for key in gone {
            match self.catalogue.get_mut(key) {
                Some(candidate) if candidate.standing.is_some() => {
                    candidate.by_scan |= why == Why::Safety && !self.settle.is_pending(key);
                    self.settle.note(key, Seen::Vanished, now);
                }
                _ => {
                    self.drop_candidate(key);
                }
            }
        }
    }

    /// Whether a known candidate must be looked at to know what it is now.
    fn is_other(&mut self, source: usize, key: Key) -> bool {
        let Some(candidate) = self.catalogue.get(key) else { return true };
        if self.settle.is_pending(key) {
            return true;
        }
        if self.catalogue.is_troubled(candidate) {
            // What is around the file may have been mended: its user, its program.
            if let Some(candidate) = self.catalogue.get_mut(key) {
                candidate.reload = true;
            }
            return true;
        }
        let (Some(directory), Some(content)) = (&self.roots[source].directory, &candidate.content) else {
            return true;
        };
        let has_parts = match &candidate.naming {
            Naming::File(_) | Naming::Programs => self.roots[source].drop_ins.contains(&candidate.name),
            _ => true,
        };
        if has_parts || content.racy || content.stamps.len() != 1 || !content.inputs.is_empty() {
            return true;
        }
        directory.stat(&candidate.name).is_none_or(|stat| Stamp::of(&stat) != content.stamps[0])
    }

    /// A source says nothing: nothing that seems to be gone from it is gone.
    fn silence(&mut self, source: usize, silent: (SourceState, String)) {
        self.roots[source].lost();
        let ways = self.roots[source].ways();
        self.watch.want(Target::Entries(source), Vec::new());
        self.watch.want(Target::Source(source), ways);
        self.silence_listed(source, silent);
    }

    fn silence_listed(&mut self, source: usize, silent: (SourceState, String)) {
        self.roots[source].silent = Some(silent);
        let of_source = |&key: &Key| self.catalogue.get(key).is_some_and(|candidate| candidate.source == source);
        let absent: Vec<_> = self.settle.absent().filter(of_source).collect();
        for key in absent {
            self.settle.forget(key);
        }
    }

    /// A directory from which nothing was ever accepted is simply not made yet.
    fn create(&mut self, source: usize) -> Result<Directory, (SourceState, String)> {
        let root = &self.roots[source];
        if self.markers.has(&root.given) {
            let reason = "it is not there, though services were read from it before; mount or restore it";
            return Err((SourceState::Absent, reason.into()));
        }
        // Others may read it whatever the umask says, and only the owner write.
        if let Err(error) = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&root.given) {
            return Err((SourceState::Absent, format!("it is not there and cannot be created: {error}")));
        }
        tracing::info!(path = %root.given.display(), "created the watched directory; drop service files there");
        root.open(&self.trust)
    }

    /// Why changes of a source or of something in it are not told, if so.
    fn unwatched(&self, source: usize) -> Option<String> {
        let is_of = |target: &Target| match *target {
            Target::Source(of) | Target::Entries(of) => of == source,
            Target::Candidate(key) => self.catalogue.get(key).is_some_and(|candidate| candidate.source == source),
            Target::Reload(_) => false,
        };
        self.watch.failed().find(|(target, _)| is_of(target)).map(|(_, reason)| reason.clone())
    }
}

/// Why a file system tells only of the changes that are made here, if it is of such a kind.
fn silent_kind(directory: &Directory) -> Option<String> {
    const SMB: FsType = FsType(0xFE53_4D42);
    const CIFS: FsType = FsType(0xFF53_4D42);
    const V9FS: FsType = FsType(0x0102_1997);
    const CEPH: FsType = FsType(0x00C3_6400);
    let kind = match fstatfs(&directory.fd).ok()?.filesystem_type() {
        NFS_SUPER_MAGIC => "NFS",
        SMB_SUPER_MAGIC | SMB | CIFS => "SMB",
        FUSE_SUPER_MAGIC => "FUSE",
        V9FS => "9p",
        CEPH => "Ceph",
        _ => return None,
    };
    Some(format!("it lies on {kind}, which does not tell of changes made elsewhere: changes are found every 2 s"))
}

/// A link is whole when it is made; so is a second name of a file.
fn is_complete(stat: &nix::sys::stat::FileStat) -> bool {
    file_type(stat) == Some(nix::dir::Type::Symlink)
        || (file_type(stat) == Some(nix::dir::Type::File) && stat.st_nlink > 1)
}
