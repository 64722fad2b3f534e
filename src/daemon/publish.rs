//! The snapshot on disk: `status.json`, its twin `status.prom`, and what may stand beside them.
//!
//! Keeps one fragment a service and decides when to write. Files are replaced by a rename, so that
//! a reader never sees half of one; what is new goes out in pieces, so that no copy of the whole is
//! ever in memory. Knows no tokio: the loop asks [`Publisher::next_deadline`] and calls
//! [`Publisher::poll`].

mod blocks;
mod files;
mod pace;

pub use pace::{Share, next_write};

use crate::api::call::{Series, Snapshot};
use crate::model::name::ServiceName;
use crate::model::status::{AbideState, ServiceStatus};
use crate::model::time::{Mono, Now};
use crate::render::prometheus::{self, Detail, Facts, Lines};
use crate::render::snapshot::{self, Envelope, INDEX, News, WHOLE};
use crate::source::config::{Config, MetricsDetail};
use blocks::{Blocks, Form};
use files::{Page, Told, last_seq, sweep, sweep_services};
use pace::{Cost, Pace};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const JSON: &str = "status.json";
const PROM: &str = "status.prom";
const PER_SERVICE: &str = "services";
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// How the snapshot is published: `[status]` and `[metrics]` of `abide.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishPolicy {
    /// How often both files are touched; zero: never.
    pub heartbeat: Duration,
    /// Whether each service has a `services/NAME.json` too.
    pub per_service: bool,
    /// Which services have series of their own.
    pub detail: Detail,
}

impl Default for PublishPolicy {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(15), per_service: false, detail: Detail::Auto }
    }
}

impl PublishPolicy {
    /// What `[status]` and `[metrics]` of `abide.toml` say.
    pub fn of(config: &Config) -> Self {
        let detail = match config.metrics {
            None => Detail::Auto,
            Some(MetricsDetail::All) => Detail::All,
            Some(MetricsDetail::Abnormal) => Detail::Abnormal,
            Some(MetricsDetail::None) => Detail::None,
        };
        Self { heartbeat: config.heartbeat.unwrap_or_default(), per_service: config.per_service, detail }
    }
}

/// The snapshot could not be brought to disk.
#[derive(Debug, thiserror::Error)]
#[error("could not {attempt} {}", path.display())]
pub struct PublishError {
    attempt: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What a call of [`Publisher::poll`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It was not time, or it failed as it did before, which was said then.
    Nothing,
    /// The age of the files was renewed.
    Heartbeat,
    /// The files were written.
    Written,
}

/// What is kept of a service.
#[derive(Debug)]
struct Cached {
    /// Shared with who asks how all stands.
    json: Arc<[u8]>,
    /// Boxed: a map that is filled in order keeps its leaves half empty.
    facts: Box<Facts>,
}

type Services = BTreeMap<ServiceName, Cached>;

/// Writes the snapshot.
#[derive(Debug)]
pub struct Publisher {
    dir: PathBuf,
    policy: PublishPolicy,
    envelope: Envelope,
    json: Page,
    prom: Page,
    jsonl: Page,
    services: Services,
    /// Those that are not as desired: all that a truncated `status.json` lists.
    astray: BTreeSet<ServiceName>,
    /// Where they stand in `status.json`, as long as it lists all, and what of it is on disk.
    blocks: Blocks,
    told: Told,
    /// The same of the index, and how often it was written.
    listed: Blocks,
    listed_told: Told,
    listings: u64,
    /// What the services contribute to the metrics, if anything.
    lines: BTreeMap<ServiceName, Lines>,
    /// What they were made for: a settled detail.
    detail: Detail,
    scratch: Vec<u8>,
    /// Those whose own file is out of date.
    pending: BTreeSet<ServiceName>,
    main: Pace,
    index: Pace,
    beat: Option<Mono>,
    retry: Option<Duration>,
    main_cost: Cost,
    index_cost: Cost,
}

impl Publisher {
    /// Publishes in `dir`, which is made when it is not there. What an earlier supervisor left
    /// beside the two files goes; they themselves stay until they are replaced.
    pub fn new(dir: PathBuf, policy: PublishPolicy, mut envelope: Envelope) -> Self {
        sweep(&dir);
        envelope.abide.snapshot_seq = envelope.abide.snapshot_seq.max(last_seq(&dir));
        Self {
            json: Page::new(&dir, JSON),
            prom: Page::new(&dir, PROM),
            jsonl: Page::new(&dir, INDEX),
            dir,
            policy,
            envelope,
            services: Services::new(),
            astray: BTreeSet::new(),
            blocks: Blocks::default(),
            told: Told::default(),
            listed: Blocks::new(Form::Lines),
            listed_told: Told::default(),
            listings: 0,
            lines: BTreeMap::new(),
            detail: policy.detail.settled(0),
            scratch: Vec::new(),
            pending: BTreeSet::new(),
            main: Pace::fresh(),
            index: Pace::default(),
            beat: None,
            retry: None,
            main_cost: Cost::default(),
            index_cost: Cost::default(),
        }
    }

    /// One service as it now stands; `None`: it is gone.
    pub fn update(&mut self, name: &ServiceName, status: Option<&ServiceStatus>) {
        let Some(status) = status else {
            if self.services.remove(name).is_some() {
                self.astray.remove(name);
                self.lines.remove(name);
                self.note(name);
            }
            return;
        };
        self.scratch.clear();
        snapshot::fragment(status, &mut self.scratch);
        if self.services.get(name).is_some_and(|cached| *cached.json == *self.scratch) {
            return;
        }
        let facts = Box::new(Facts::of(status));
        match Lines::of(name, &facts, self.detail) {
            lines if lines.is_empty() => drop(self.lines.remove(name)),
            lines => drop(self.lines.insert(name.clone(), lines)),
        }
        if status.as_desired {
            self.astray.remove(name);
        } else {
            self.astray.insert(name.clone());
        }
        let cached = Cached { json: self.scratch.as_slice().into(), facts };
        self.services.insert(name.clone(), cached);
        self.note(name);
    }

    /// How all but the services now stands; leads to a write if that makes a difference.
    pub fn renew_envelope(&mut self, news: &News<'_>) {
        if !self.envelope.says(news) {
            self.envelope_mut().renew(news);
        }
    }

    /// All but the services, as last set and written.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// All but the services, to be changed in place; leads to a write. What each write fills in
    /// (number, times, heartbeat, `truncated`) is to be left alone.
    pub fn envelope_mut(&mut self) -> &mut Envelope {
        self.main.touch();
        &mut self.envelope
    }

    /// How all stands now, whatever is on disk.
    pub fn snapshot(&self) -> Snapshot {
        let services = self.services.iter().map(|(name, cached)| (name.clone(), Arc::clone(&cached.json))).collect();
        Snapshot { head: snapshot::head(&self.envelope), services, tail: snapshot::tail(&self.envelope) }
    }

    /// What the metrics tell now, whatever is on disk.
    pub fn series(&mut self) -> Series {
        self.settle_detail();
        let lines = self.lines.iter().map(|(name, lines)| (name.clone(), lines.clone())).collect();
        Series { envelope: self.envelope.clone(), lines }
    }

    /// What holds from now on.
    pub fn set_policy(&mut self, policy: PublishPolicy) {
        if policy == self.policy {
            return;
        }
        if policy.per_service && !self.policy.per_service {
            self.pending = self.services.keys().cloned().collect();
        }
        if self.policy.per_service && !policy.per_service {
            self.pending.clear();
            sweep_services(&self.dir);
        }
        self.policy = policy;
        self.main.touch();
    }

    /// When [`Self::poll`] wants to be called; a time in the past means now, as after each change;
    /// `None`: not before something changes.
    pub fn next_deadline(&self) -> Option<Mono> {
        [self.main.deadline(), self.index.deadline(), self.beat].into_iter().flatten().min()
    }

    /// Whether the next call of [`Self::poll`] writes nothing, but one within moments will.
    pub fn is_settling(&self, now: Mono) -> bool {
        self.main.settles(now)
    }

    /// Does what is due. An error is returned once and the attempt repeated until it succeeds.
    pub fn poll(&mut self, now: Now) -> Result<Published, PublishError> {
        let (main, index) = (self.main.ripe(now.mono), self.index.ripe(now.mono));
        let done = if main || index {
            self.write(now, main, index)
        } else if self.beat.is_some_and(|at| at <= now.mono) {
            self.touch(now)
        } else {
            return Ok(Published::Nothing);
        };
        match done {
            Ok(published) => {
                self.retry = None;
                Ok(published)
            }
            Err(error) => self.fail(now.mono, error),
        }
    }

    /// The last word: abide has stopped on purpose.
    pub fn stop(&mut self, now: Now) -> Result<(), PublishError> {
        self.envelope.abide.state = AbideState::Stopped;
        let truncated = self.services.len() > WHOLE;
        let done = self.write(now, true, truncated);
        self.beat = None;
        for page in [&mut self.json, &mut self.prom, &mut self.jsonl] {
            page.forget();
        }
        done.map(|_| ())
    }

    fn note(&mut self, name: &ServiceName) {
        self.main.touch();
        self.blocks.touch(name, self.envelope.abide.snapshot_seq + 1);
        self.listed.touch(name, self.listings + 1);
        if self.services.len() > WHOLE {
            self.index.touch();
        }
        if self.policy.per_service {
            self.pending.insert(name.clone());
        }
    }

    /// The next attempt comes later and later; only the first failure is worth a word.
    fn fail(&mut self, now: Mono, error: PublishError) -> Result<Published, PublishError> {
        let pause = self.retry.map_or(FIRST_RETRY, |last| (last * 2).min(LAST_RETRY));
        let again = Pace::again(now.plus(pause));
        self.main = again;
        if self.services.len() > WHOLE {
            self.index = again;
        }
        self.beat = None;
        let first = self.retry.replace(pause).is_none();
        if first { Err(error) } else { Ok(Published::Nothing) }
    }

    fn write(&mut self, now: Now, main: bool, index: bool) -> Result<Published, PublishError> {
        let truncated = self.services.len() > WHOLE;
        if truncated && !self.envelope.abide.truncated {
            return self.write_parts(now, true, true);
        }
        if !truncated && self.envelope.abide.truncated {
            self.write_parts(now, true, false)?;
            let _ = fs::remove_file(self.dir.join(INDEX));
            return Ok(Published::Written);
        }
        self.write_parts(now, main, index && truncated)
    }

    /// The index first: what `status.json` names must be there.
    fn write_parts(&mut self, now: Now, main: bool, index: bool) -> Result<Published, PublishError> {
        let truncated = self.services.len() > WHOLE;
        if index {
            let begun = Instant::now();
            let bytes = self.write_index()?;
            self.index.rest(next_write(now.mono, bytes, self.index_cost.believe(begun.elapsed()), Share::Index));
        }
        if main {
            let begun = Instant::now();
            let bytes = self.write_pair(now, truncated)? + self.write_own_files()?;
            let share = if truncated { Share::Main } else { Share::Whole };
            self.main.rest(next_write(now.mono, bytes, self.main_cost.believe(begun.elapsed()), share));
            self.rest_beat(now.mono);
        }
        if !truncated {
            self.index = Pace::default();
        }
        Ok(Published::Written)
    }

    fn write_pair(&mut self, now: Now, truncated: bool) -> Result<u64, PublishError> {
        self.settle_detail();
        let abide = &mut self.envelope.abide;
        abide.snapshot_seq += 1;
        abide.written_at = now.wall;
        abide.monotonic_ns = now.mono.0;
        abide.heartbeat_interval_ms = self.policy.heartbeat.as_millis() as u64;
        abide.truncated = truncated;
        let number = abide.snapshot_seq;
        let bytes = self.write_json(number)?;
        let lines: Vec<&Lines> = self.lines.values().collect();
        Ok(bytes + self.prom.replace(|out, _| prometheus::write(out, &self.envelope, &lines))?.size)
    }

    fn write_json(&mut self, number: u64) -> Result<u64, PublishError> {
        let (head, tail) = (snapshot::head(&self.envelope), snapshot::tail(&self.envelope));
        if self.envelope.abide.truncated {
            self.blocks.forget();
            let shown = self.astray.iter().filter_map(|name| self.services.get(name));
            let written = self.json.replace(|out, _| {
                out.write_all(&head)?;
                out.write_all(b"[")?;
                for (index, cached) in shown.enumerate() {
                    out.write_all(if index == 0 { b"" } else { b"," })?;
                    out.write_all(&cached.json)?;
                }
                out.write_all(&tail)
            })?;
            return Ok(written.size);
        }
        self.blocks.arrange(head.len(), &self.services, number);
        let written = self.json.replace(|out, before| {
            let since = before.and_then(|file| self.told.by(file));
            self.blocks.write(out, (&head, &tail), &self.services, since)
        })?;
        self.told.note(written, number);
        Ok(written.size)
    }

    fn write_index(&mut self) -> Result<u64, PublishError> {
        self.listings += 1;
        let number = self.listings;
        self.listed.arrange(0, &self.services, number);
        let written = self.jsonl.replace(|out, before| {
            let since = before.and_then(|file| self.listed_told.by(file));
            self.listed.write(out, (&[], &[]), &self.services, since)
        })?;
        self.listed_told.note(written, number);
        Ok(written.size)
    }

    fn write_own_files(&mut self) -> Result<u64, PublishError> {
        let dir = self.dir.join(PER_SERVICE);
        let mut bytes = 0;
        while let Some(name) = self.pending.first() {
            let file = format!("{name}.json");
            match self.services.get(name) {
                Some(cached) => {
                    let mut page = Page::new(&dir, &file);
                    bytes += page.replace(|out, _| out.write_all(&cached.json))?.size;
                    page.forget();
                }
                None => drop(fs::remove_file(dir.join(file))),
            }
            self.pending.pop_first();
        }
        Ok(bytes)
    }

    /// Passing the bound changes what each service contributes.
    fn settle_detail(&mut self) {
        let detail = self.policy.detail.settled(self.services.len());
        if detail != self.detail {
            self.detail = detail;
            let lines =
                self.services.iter().map(|(name, cached)| (name.clone(), Lines::of(name, &cached.facts, detail)));
            self.lines = lines.filter(|(_, lines)| !lines.is_empty()).collect();
        }
    }

    /// A file that somebody removed is written again.
    fn touch(&mut self, now: Now) -> Result<Published, PublishError> {
        match self.json.touch(now.wall).and_then(|()| self.prom.touch(now.wall)) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                return self.write_parts(now, true, self.services.len() > WHOLE);
            }
            done => done?,
        }
        self.told.touched(now.wall);
        self.rest_beat(now.mono);
        Ok(Published::Heartbeat)
    }

    fn rest_beat(&mut self, now: Mono) {
        self.beat = (!self.policy.heartbeat.is_zero()).then(|| now.plus(self.policy.heartbeat));
    }
}
