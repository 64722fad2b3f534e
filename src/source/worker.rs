//! The files thread: wakes for what the watch noticed, looks at what is settled, sends what
//! changed. The one stateful file of this room; holds no decision but when to look.
//!
//! Killing it loses work in progress, never truth: the next one scans and says the same.

use super::Text;
use super::catalogue::{Catalogue, Key, service_of};
use super::configuration::{Configuration, Loader};
use super::entry::Naming;
use super::root::{Markers, Root, steady, wall};
use super::settle::{Seen, Settle};
use super::trust::Trust;
use super::watch::{Mailbox, Noticed, Target, Watch};
use crate::model::desired::{Delta, Permit};
use crate::model::diagnostic::Diagnostic;
use crate::model::guise::Guise;
use crate::model::name::ServiceName;
use crate::model::status::SourceStatus;
use crate::model::time::Mono;
use reloads::Reloads;
use sections::Sections;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod controls;
mod examine;
mod reloads;
mod sections;
mod sources;

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
    /// As what abide was called, if not as itself.
    pub guise: Option<Guise>,
    /// Is told which files that a service's `[reload] watch` names are other than they were.
    pub changed: Changed,
}

/// Hears of the configuration files of a service that changed, as shown to people.
pub type Changed = Box<dyn Fn(ServiceName, Vec<String>) + Send>;

/// The files thread, running.
#[derive(Debug)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
}

impl Handle {
    /// Compares everything with what is known, now.
    pub fn rescan(&self) {
        self.mailbox.rescan();
    }

    /// Ends the thread. Does not wait for it: it may hang with the file system that it reads.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.mailbox.stop();
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
    std::thread::Builder::new().name("files".into()).spawn(move || {
        let watch = watch(Arc::clone(&letters));
        Worker::new(setup, watch, letters, Box::new(send)).run();
    })?;
    Ok(Handle { mailbox })
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
    changed: Changed,
    watch: Watch,
    /// Whom to trust with services.
    trust: Trust,
    /// Whom to trust with `abide.toml`, which says whom to trust.
    own: Trust,
    /// With whose eyes it looks, if not with abide's own.
    guise: Option<Guise>,
    /// For files that make nothing run.
    everyone: Trust,
    reloads: Reloads,
    markers: Markers,
    sections: Sections,
    configuration: Configuration<C>,
    catalogue: Catalogue,
    roots: Vec<Root>,
    settle: Settle<Key>,
    epoch: Instant,
    next_rescan: Option<Instant>,
    next_poll: Option<Instant>,
    is_first: bool,
    told_sources: Vec<SourceStatus>,
    told_unsettled: Vec<ServiceName>,
    was_settled: bool,
    told_config: Vec<Diagnostic>,
    told_permits: Vec<Permit>,
    /// What went under one name and came under another since the last delta.
    renamed: Vec<(ServiceName, ServiceName)>,
    generation: u64,
}

impl<C> Worker<C> {
    fn new(setup: Setup<C>, watch: Watch, mailbox: Arc<Mailbox>, send: Box<dyn Fn(Delta) + Send>) -> Self {
        let Setup { directories, config_path, config, config_text, state_directory, uid, loader, guise, changed } =
            setup;
        let configuration = Configuration::new(config_path, config, config_text.as_ref(), loader);
        let mut settle = Settle::new(configuration.timing().grace);
        settle.set_leads(!configuration.timing().atomic);
        Self {
            mailbox,
            send,
            changed,
            watch,
            own: Trust::new(uid),
            trust: trust_of(&configuration, uid, guise.as_ref()),
            guise,
            everyone: Trust::everyone(),
            reloads: Reloads::new(configuration.timing().grace),
            markers: Markers::new(state_directory.as_deref()),
            sections: Sections::new(state_directory.as_deref()),
            settle,
            configuration,
            catalogue: Catalogue::new(directories.clone()),
            roots: directories.into_iter().map(Root::new).collect(),
            epoch: Instant::now(),
            next_rescan: None,
            next_poll: None,
            is_first: true,
            told_sources: Vec::new(),
            told_unsettled: Vec::new(),
            was_settled: false,
            told_config: Vec::new(),
            told_permits: Vec::new(),
            renamed: Vec::new(),
            generation: 0,
        }
    }

    fn run(mut self) {
        self.settle.note(Key::CONFIG, Seen::Found, self.now());
        self.delegate();
        self.scan_all(Why::First);
        self.plan_rescan();
        loop {
            self.turn();
            self.tell();
            self.turn_reloads();
            self.is_first = false;
            self.plan_poll();
            self.roots.iter_mut().for_each(Root::release);
            let noticed = self.mailbox.wait(self.deadline());
            if noticed.stop {
                return;
            }
            self.reopen();
            self.take(noticed);
            self.keep_time();
        }
    }

    /// Before anything is done in the directories: whether they are where they were.
    fn reopen(&mut self) {
        for source in 0..self.roots.len() {
            if !self.roots[source].reopen(&self.trust) {
                self.scan(source, Why::Told);
            }
        }
    }

    fn now(&self) -> Mono {
        Mono(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn deadline(&self) -> Option<Instant> {
        let settle = self.settle.next().into_iter().chain(self.reloads.deadline()).min();
        let settle = settle.map(|at| self.epoch + Duration::from_nanos(at.0));
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
            for source in polled {
                self.scan(source, Why::Told);
            }
            self.settle.note(Key::CONFIG, Seen::Found, self.now());
            let now = self.now();
            for key in self.unwatched_reloads() {
                self.reloads.note(key, Seen::Found, now);
            }
            self.next_poll = None;
        }
    }

    /// As long as no event tells, one looks again.
    fn plan_poll(&mut self) {
        let is_other = |(target, _): (&Target, _)| match *target {
            Target::Candidate(key) => key == Key::CONFIG,
            Target::Reload(_) => true,
            Target::Entries(_) | Target::Source(_) => false,
        };
        let needs_polling = self.roots.iter().any(Root::needs_polling) || self.watch.failed().any(is_other);
        self.next_poll = needs_polling.then(|| self.next_poll.unwrap_or_else(|| Instant::now() + POLL));
    }

    /// Not all abides of a machine at the same moment: up to a tenth later or earlier.
    fn plan_rescan(&mut self) {
        self.next_rescan = self.configuration.timing().rescan.map(|every| {
            let dice = (wall().0.unsigned_abs() as u32 ^ std::process::id()) % 201;
            Instant::now() + every.mul_f64(0.9 + f64::from(dice) / 1000.0)
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
                (Target::Reload(key), _) => self.reloads.note(key, seen, now),
            }
        }
        // Of what was mounted it is seen when directories are opened again.
        if noticed.overflows > 0 || noticed.rescan {
            self.roots.iter_mut().for_each(|root| root.overflows += noticed.overflows);
            self.scan_all(Why::Told);
        } else {
            for source in told {
                self.scan(source, Why::Told);
            }
        }
    }

    /// Sends what changed since the last delta.
    fn tell(&mut self) {
        // Whether one of a batch is bad is known when all of it is settled.
        let waits = self.configuration.timing().atomic && !self.settle.is_settled();
        let changes = if waits { Vec::new() } else { self.catalogue.take_changes() };
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
        let unsettled = self.unsettled();
        let settles = unsettled != self.told_unsettled;
        let permits = self.take_permits();
        let anew = others || problems.is_some() || permits.is_some() || is_first || settles;
        if changes.is_empty() && !news && !anew {
            return;
        }
        self.told_unsettled.clone_from(&unsettled);
        self.mark();
        self.follow(&changes);
        self.generation += u64::from(!changes.is_empty());
        self.told_sources.clone_from(&statuses);
        (self.send)(Delta {
            changes,
            sources: (news || is_first).then_some(statuses),
            ignored: (others || is_first).then(|| self.catalogue.ignored()),
            problems,
            renamed: std::mem::take(&mut self.renamed),
            permits,
            unsettled,
            generation: self.generation,
        });
    }

    /// Names of which nothing was ever told, and of which something is there; only until there are none once.
    fn unsettled(&mut self) -> Vec<ServiceName> {
        if self.was_settled {
            return Vec::new();
        }
        let pending = self.catalogue.keys().into_iter().filter(|key| self.settle.is_pending(*key));
        let candidates = pending.filter_map(|key| self.catalogue.get(key)).filter(|it| it.standing.is_none());
        let mut names: BTreeSet<ServiceName> = BTreeSet::new();
        for candidate in candidates {
            names.extend(service_of(&candidate.naming).cloned());
            if candidate.naming == Naming::Programs {
                let file = self.catalogue.shown(candidate.source, &candidate.name);
                names.extend(self.sections.of(&file).into_values().flatten());
            }
        }
        // What is known and waits for the rest of its batch was not told either.
        names.extend(self.catalogue.untold().cloned());
        let names: Vec<ServiceName> = names.into_iter().collect();
        self.was_settled = names.is_empty();
        names
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

/// Whom to trust with services. svscan and supervise do not ask.
fn trust_of<C>(configuration: &Configuration<C>, uid: u32, guise: Option<&Guise>) -> Trust {
    match guise {
        Some(_) => Trust::everyone(),
        None => Trust::new(uid).with_groups(&configuration.trusted()),
    }
}

#[cfg(test)]
mod tests;
