//! The files thread: wakes for what the watch noticed, looks at what is settled, sends what
//! changed. The one stateful file of this room; holds no decision but when to look.
//!
//! Killing it loses work in progress, never truth: the next one scans and says the same.

use super::Text;
use super::catalogue::{Catalogue, Found, Key};
use super::configuration::{Configuration, Loader};
use super::entry::{Naming, naming};
use super::look::{Eye, Look};
use super::open::{Directory, file_type};
use super::root::{Markers, Root, steady, wall};
use super::scan::scan;
use super::settle::{Outcome, Seen, Settle, Verdict};
use super::trust::Trust;
use super::watch::{Mailbox, Noticed, Target, Watch};
use crate::model::desired::Delta;
use crate::model::diagnostic::Diagnostic;
use crate::model::status::{SourceState, SourceStatus};
use crate::model::time::Mono;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often one looks where no event tells.
const POLL: Duration = Duration::from_secs(2);

/// What the files thread is to watch, and how what it reads is understood.
pub struct Setup<C> {
    /// The watched directories, as given.
    pub directories: Vec<PathBuf>,
    /// Where `abide.toml` lies, or would.
    pub config_path: PathBuf,
    /// What it says, or the defaults.
    pub config: C,
    /// Its text as it was read for `config`; `None` if there was none.
    pub config_text: Option<Text>,
    /// Where it is remembered from which directories something was ever accepted.
    pub state_directory: Option<PathBuf>,
    /// Effective uid of abide.
    pub uid: u32,
    /// How texts become entries.
    pub loader: Loader<C>,
}

/// The files thread, running.
#[derive(Debug)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Compares everything with what is known, now.
    pub fn rescan(&self) {
        self.mailbox.rescan();
    }

    /// Ends the thread and waits for its end.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.mailbox.stop();
        if let Some(thread) = self.thread.take() {
            // Its panic was reported by itself; there is nothing to do about it here.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the files thread. The first delta is sent as soon as the first scan is read, even if it
/// is empty.
pub fn start<C: Send + 'static>(setup: Setup<C>, send: impl Fn(Delta) + Send + 'static) -> std::io::Result<Handle> {
    spawn(setup, send, Watch::new)
}

fn spawn<C: Send + 'static>(
    setup: Setup<C>,
    send: impl Fn(Delta) + Send + 'static,
    watch: impl FnOnce(Arc<Mailbox>) -> Watch + Send + 'static,
) -> std::io::Result<Handle> {
    let mailbox = Arc::new(Mailbox::default());
    let letters = Arc::clone(&mailbox);
    let thread = std::thread::Builder::new().name("files".into()).spawn(move || {
        let watch = watch(Arc::clone(&letters));
        Worker::new(setup, watch, letters, Box::new(send)).run();
    })?;
    Ok(Handle { mailbox, thread: Some(thread) })
}

/// Why a directory is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// For the first time.
    First,
    /// Because something was told about it.
    Told,
    /// To find what was not told.
    Safety,
}

struct Worker<C> {
    mailbox: Arc<Mailbox>,
    send: Box<dyn Fn(Delta) + Send>,
    watch: Watch,
    trust: Trust,
    markers: Markers,
    configuration: Configuration<C>,
    catalogue: Catalogue,
    roots: Vec<Root>,
    settle: Settle<Key>,
    epoch: Instant,
    next_rescan: Option<Instant>,
    next_poll: Option<Instant>,
    is_first: bool,
    told_sources: Vec<SourceStatus>,
    told_config: Vec<Diagnostic>,
    generation: u64,
}

impl<C> Worker<C> {
    fn new(setup: Setup<C>, watch: Watch, mailbox: Arc<Mailbox>, send: Box<dyn Fn(Delta) + Send>) -> Self {
        let Setup { directories, config_path, config, config_text, state_directory, uid, loader } = setup;
        let configuration = Configuration::new(config_path, config, config_text.as_ref(), loader);
        Self {
            mailbox,
            send,
            watch,
            trust: Trust::new(uid),
            markers: Markers::new(state_directory.as_deref()),
            settle: Settle::new(configuration.timing().grace),
            configuration,
            catalogue: Catalogue::new(directories.clone()),
            roots: directories.into_iter().map(Root::new).collect(),
            epoch: Instant::now(),
            next_rescan: None,
            next_poll: None,
            is_first: true,
            told_sources: Vec::new(),
            told_config: Vec::new(),
            generation: 0,
        }
    }

    fn run(mut self) {
        self.settle.note(Key::CONFIG, Seen::Found, self.now());
        self.scan_all(Why::First);
        self.plan_rescan();
        loop {
            self.turn();
            self.tell();
            self.is_first = false;
            self.plan_poll();
            let noticed = self.mailbox.wait(self.deadline());
            if noticed.stop {
                return;
            }
            self.take(noticed);
            self.keep_time();
        }
    }

    fn now(&self) -> Mono {
        Mono(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn deadline(&self) -> Option<Instant> {
        let settle = self.settle.next().map(|at| self.epoch + Duration::from_nanos(at.0));
        settle.into_iter().chain(self.next_rescan).chain(self.next_poll).min()
    }

    /// What is due by the clock alone.
    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.next_rescan.is_some_and(|at| at <= now) {
            self.scan_all(Why::Safety);
            self.plan_rescan();
        }
        if self.next_poll.is_some_and(|at| at <= now) {
            let polled: Vec<_> = (0..self.roots.len()).filter(|&source| self.roots[source].needs_polling()).collect();
            polled.into_iter().for_each(|source| self.scan(source, Why::Told));
            self.settle.note(Key::CONFIG, Seen::Found, self.now());
            self.next_poll = None;
        }
    }

    /// As long as no event tells, one looks again.
    fn plan_poll(&mut self) {
        let needs_polling = self.roots.iter().any(Root::needs_polling);
        self.next_poll = needs_polling.then(|| self.next_poll.unwrap_or_else(|| Instant::now() + POLL));
    }

    /// Not all abides of a machine at the same moment: up to a tenth later or earlier.
    fn plan_rescan(&mut self) {
        self.next_rescan = self.configuration.timing().rescan.map(|every| {
            let dice = u64::from(wall().0.unsigned_abs() as u32 ^ std::process::id()) % 201;
            Instant::now() + every.mul_f64(0.9 + dice as f64 / 1000.0)
        });
    }

    /// What the watch noticed becomes what is to be settled.
    fn take(&mut self, noticed: Noticed) {
        let now = self.now();
        let mut told = BTreeSet::new();
        for ((target, name), seen) in noticed.dirty {
            match (target, name) {
                (Target::Entries(source), Some(name)) => self.entry(source, &name, seen, now),
                (Target::Source(source) | Target::Entries(source), _) => {
                    told.insert(source);
                }
                (Target::Candidate(key), _) if key == Key::CONFIG || self.catalogue.get(key).is_some() => {
                    self.settle.note(key, seen, now);
                }
                (Target::Candidate(_), _) => {}
            }
        }
        if noticed.overflows > 0 || noticed.rescan {
            self.roots.iter_mut().for_each(|root| root.overflows += noticed.overflows);
            self.scan_all(Why::Told);
        } else {
            told.into_iter().for_each(|source| self.scan(source, Why::Told));
        }
    }

    /// Something happened to a name in a source.
    fn entry(&mut self, source: usize, name: &OsStr, seen: Seen, now: Mono) {
        let naming = naming(name);
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
        if let Naming::DropIns(service) = &naming {
            if seen == Seen::Vanished {
                root.drop_ins.remove(service);
            } else {
                root.drop_ins.insert(service.clone());
            }
            if let Some(main) = self.catalogue.find(source, &main_of(name)) {
                self.settle.note(main, Seen::Changed, now);
            }
        }
        if seen != Seen::Vanished {
            let key = self.catalogue.intern(source, name, naming);
            self.settle.note(key, seen, now);
        } else if let Some(key) = self.catalogue.find(source, name) {
            if self.catalogue.get(key).is_some_and(|candidate| candidate.standing.is_none()) {
                self.drop_candidate(key);
            } else {
                self.settle.note(key, seen, now);
            }
        }
    }

    fn scan_all(&mut self, why: Why) {
        (0..self.roots.len()).for_each(|source| self.scan(source, why));
        if why != Why::First {
            self.settle.note(Key::CONFIG, Seen::Found, self.now());
        }
    }

    /// Walks to a source anew and compares what is there with what is known.
    fn scan(&mut self, source: usize, why: Why) {
        let started = Instant::now();
        let opened = match self.roots[source].open(&self.trust) {
            Err((SourceState::Absent, _)) if why == Why::First => self.create(source),
            opened => opened,
        };
        let directory = match opened {
            Ok(directory) => directory,
            Err(silent) => return self.silence(source, silent),
        };
        // Watched first, listed then: what comes in between is seen twice, not missed.
        let entries = vec![(directory.path.clone(), None)];
        let id = directory.id;
        self.roots[source].directory = Some(directory);
        let ways = self.roots[source].ways();
        let watched = self.watch.want(Target::Source(source), ways);
        let watched = self.watch.want(Target::Entries(source), entries).and(watched);
        let root = &mut self.roots[source];
        root.polled = watched.err();
        let listed = root.directory.as_ref().map_or(Ok(Vec::new()), scan);
        let names = match listed {
            Ok(names) => names,
            Err(errno) => {
                let reason = format!("it cannot be listed: {}", errno.desc());
                return self.silence(source, (SourceState::Suspect, reason));
            }
        };
        let is_other = root.id.is_some_and(|before| before != id);
        let was_empty = self.catalogue.services_of(source) == 0;
        if names.is_empty() && !was_empty && (is_other || root.silent.is_some()) {
            let reason = "an empty directory took its place; nothing is stopped because of it".into();
            return self.silence_listed(source, (SourceState::Suspect, reason));
        }
        (root.silent, root.id) = (None, Some(id));
        self.compare(source, names, why);
        let root = &mut self.roots[source];
        (root.last_scan, root.scan_time) = (Some(wall()), started.elapsed());
    }

    /// Names that came, went, or are other than they were.
    fn compare(&mut self, source: usize, names: Vec<(OsString, Naming)>, why: Why) {
        let now = self.now();
        let drop_ins = names.iter().filter_map(|(_, naming)| match naming {
            Naming::DropIns(service) => Some(service.clone()),
            _ => None,
        });
        self.roots[source].drop_ins = drop_ins.collect();
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
            let key = self.catalogue.intern(source, &name, naming);
            gone.remove(&key);
            if why != Why::First && !self.is_other(source, key) {
                continue;
            }
            if let Some(candidate) = self.catalogue.get_mut(key) {
                candidate.by_scan = why == Why::Safety;
            }
            self.settle.note(key, Seen::Found, now);
        }
        for key in gone {
            match self.catalogue.get_mut(key) {
                Some(candidate) if candidate.standing.is_some() => {
                    candidate.by_scan = why == Why::Safety;
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
            Naming::File(service) => self.roots[source].drop_ins.contains(service),
            _ => true,
        };
        if has_parts || content.racy || content.stamps.len() != 1 {
            return true;
        }
        directory.stat(&candidate.name).is_none_or(|stat| super::read::Stamp::of(&stat) != content.stamps[0])
    }

    /// A source says nothing: nothing that seems to be gone from it is gone.
    fn silence(&mut self, source: usize, silent: (SourceState, String)) {
        self.roots[source].directory = None;
        let ways = self.roots[source].ways();
        let _ = self.watch.want(Target::Entries(source), Vec::new());
        let _ = self.watch.want(Target::Source(source), ways);
        self.silence_listed(source, silent);
    }

    fn silence_listed(&mut self, source: usize, silent: (SourceState, String)) {
        self.roots[source].silent = Some(silent);
        let of_source = |&key: &Key| self.catalogue.get(key).is_some_and(|candidate| candidate.source == source);
        let absent: Vec<_> = self.settle.absent().filter(of_source).collect();
        absent.into_iter().for_each(|key| self.settle.forget(key));
    }

    /// A directory from which nothing was ever accepted is simply not made yet.
    fn create(&mut self, source: usize) -> Result<Directory, (SourceState, String)> {
        let root = &self.roots[source];
        if self.markers.has(&root.given) {
            let reason =
                "it is not there, though services were read from it before; mount or restore it, nothing is stopped";
            return Err((SourceState::Absent, reason.into()));
        }
        if let Err(error) = std::fs::create_dir_all(&root.given) {
            return Err((SourceState::Absent, format!("it is not there and cannot be created: {error}")));
        }
        tracing::info!(path = %root.given.display(), "created the watched directory; drop service files there");
        root.open(&self.trust)
    }

    /// Looks at everything that is due.
    fn turn(&mut self) {
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
        let watched = self.watch.want(Target::Candidate(key), wants);
        if let Err(reason) = &watched {
            self.roots[source].polled = Some(reason.clone());
        }
        if let Some(candidate) = self.catalogue.get_mut(key) {
            candidate.doubt = (!doubt.is_empty()).then(|| match candidate.doubt.take() {
                Some((stamps, at)) if stamps == doubt => (stamps, at),
                _ => (doubt, Instant::now()),
            });
            if refreshed.is_some() {
                candidate.content = refreshed;
                candidate.reload = false;
            }
        }
        if outcome == (Outcome::Gone { known: true }) && !self.is_where_it_was(source) {
            return;
        }
        let verdict = if self.is_first && stood && matches!(outcome, Outcome::Bad(_)) {
            self.settle.forget(key);
            Verdict::Publish
        } else {
            self.settle.looked(key, outcome, now)
        };
        match (verdict, found) {
            (Verdict::Publish, Some(found)) => self.publish(source, key, found, now),
            (Verdict::Remove, _) => self.remove(source, key, now),
            _ => {}
        }
        if watched == Ok(true) {
            // What changed before there was a watch was told by nobody.
            self.settle.note(key, Seen::Found, now);
        }
    }

    fn look(&mut self, key: Key) -> Option<(usize, Look)> {
        let candidate = self.catalogue.get(key)?;
        let source = candidate.source;
        let root = &self.roots[source];
        let directory = root.speaking()?;
        let around = match &candidate.naming {
            Naming::File(service) => root.drop_ins.contains(service),
            Naming::DropIns(_) => self.catalogue.find(source, &main_of(&candidate.name)).is_some(),
            _ => false,
        };
        let eye = Eye { trust: &self.trust, careful: true };
        let look = eye.look(&self.catalogue, key, directory, around, &mut self.configuration.load());
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
        self.roots[source].missed += u64::from(missed);
        let drop_ins = drop_ins_of(&candidate.naming, &candidate.name);
        if let Found::Entry(_, content) = &found
            && is_new
        {
            let is_renamed = |other: &Key| {
                let before = self.catalogue.get(*other).and_then(|other| other.content.as_ref());
                before.is_some_and(|before| {
                    before.digest == content.digest || before.stamps[0].is_same_file(&content.stamps[0])
                })
            };
            let renamed: Vec<_> = self.settle.absent().filter(is_renamed).collect();
            for other in renamed {
                self.settle.forget(other);
                self.remove(source, other, now);
            }
        }
        self.catalogue.publish(key, found);
        self.look_again(source, drop_ins, now);
    }

    fn remove(&mut self, source: usize, key: Key, now: Mono) {
        let Some(candidate) = self.catalogue.get(key) else { return };
        let missed = candidate.by_scan && self.roots[source].polled.is_none();
        self.roots[source].missed += u64::from(missed);
        let drop_ins = drop_ins_of(&candidate.naming, &candidate.name);
        if let Some(heir) = self.drop_candidate(key) {
            self.settle.note(heir, Seen::Found, now);
        }
        self.look_again(source, drop_ins, now);
    }

    /// A folder of drop-ins means something or nothing as its service comes or goes.
    fn look_again(&mut self, source: usize, drop_ins: Option<OsString>, now: Mono) {
        let Some(name) = drop_ins else { return };
        let naming = naming(&name);
        if let Naming::DropIns(service) = &naming
            && self.roots[source].drop_ins.contains(service)
        {
            let key = self.catalogue.intern(source, &name, naming);
            self.settle.note(key, Seen::Found, now);
        }
    }

    fn drop_candidate(&mut self, key: Key) -> Option<Key> {
        self.settle.forget(key);
        let _ = self.watch.want(Target::Candidate(key), Vec::new());
        self.catalogue.remove(key)
    }

    fn examine_config(&mut self, now: Mono) {
        let look = self.configuration.look(&self.trust);
        let _ = self.watch.want(Target::Candidate(Key::CONFIG), look.wants);
        match (self.settle.looked(Key::CONFIG, look.outcome, now), look.found) {
            (Verdict::Publish, Some(found)) => {
                if self.configuration.accept(found) {
                    self.settle.set_grace(self.configuration.timing().grace);
                    self.plan_rescan();
                    self.reload(now);
                }
            }
            (Verdict::Remove, _) => self.configuration.vanished(),
            _ => {}
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

    /// Sends what changed since the last delta.
    fn tell(&mut self) {
        let changes = self.catalogue.take_changes();
        let statuses = self.roots.iter().enumerate();
        let statuses: Vec<_> = statuses.map(|(source, root)| root.status(self.catalogue.services_of(source))).collect();
        let news = statuses.iter().map(steady).ne(self.told_sources.iter().map(steady));
        let others = self.catalogue.take_others_changed();
        let config = self.configuration.problems();
        let is_first = self.is_first;
        let problems = (others || is_first || config != self.told_config).then(|| {
            let mut problems = config.to_vec();
            problems.extend(self.catalogue.problems());
            problems
        });
        self.told_config = config.to_vec();
        if changes.is_empty() && !news && !others && problems.is_none() && !is_first {
            return;
        }
        self.mark();
        self.generation += u64::from(!changes.is_empty());
        self.told_sources.clone_from(&statuses);
        (self.send)(Delta {
            changes,
            sources: (news || is_first).then_some(statuses),
            ignored: (others || is_first).then(|| self.catalogue.ignored()),
            problems,
            generation: self.generation,
        });
    }

    /// Remembers from which directories something was accepted.
    fn mark(&mut self) {
        for (source, root) in self.roots.iter_mut().enumerate() {
            if root.is_marked || self.catalogue.services_of(source) == 0 {
                continue;
            }
            root.is_marked = true;
            if let Err(error) = self.markers.set(&root.given) {
                tracing::warn!(path = %root.given.display(), %error, "cannot remember that services were read from it");
            }
        }
    }
}

/// A link or a directory is whole when it is made; so is a second name of a file.
fn is_complete(stat: &nix::sys::stat::FileStat) -> bool {
    file_type(stat) == Some(nix::dir::Type::Symlink)
        || (file_type(stat) == Some(nix::dir::Type::File) && stat.st_nlink > 1)
}

/// `NAME.toml` of `NAME.toml.d`.
fn main_of(drop_ins: &OsStr) -> OsString {
    let text = drop_ins.to_string_lossy();
    text.strip_suffix(".d").unwrap_or(&text).into()
}

/// `NAME.toml.d` of `NAME.toml`.
fn drop_ins_of(naming: &Naming, name: &OsStr) -> Option<OsString> {
    matches!(naming, Naming::File(_)).then(|| {
        let mut folder = name.to_owned();
        folder.push(".d");
        folder
    })
}

#[cfg(test)]
mod tests;
