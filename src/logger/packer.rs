//! Deletes and compresses rotated files, away from those who write; compressing gives way to all else.
//!
//! A file is there uncompressed until it is there compressed, whole and under its name; a crash in between leaves a
//! hidden file, which the next try replaces, or both, of which readers take one.

use super::directory::{is_ours, open_or_make};
use super::sink::{errno_of, eyes, listing, now, prune};
use super::trouble::Trouble;
use crate::host::stderr::say;
use crate::host::sys::process::set_nice;
use crate::log::order::Destination;
use crate::log::rotate::Form;
use crate::model::logging::Compress;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, fdatasync, unlinkat};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A file that was rotated a moment ago may be read by who follows, and of a flood it is deleted soon.
const RIPE: Duration = Duration::from_secs(2);
/// More than it needs.
const STACK: usize = 512 << 10;

/// What becomes of the rotated files of one file system. Each of its two threads is made with the first order.
#[derive(Debug)]
pub(super) struct Packer {
    prune: Hand,
    pack: Hand,
}

/// A thread, and what it is to do.
#[derive(Debug)]
struct Hand {
    name: &'static str,
    work: fn(&Receiver<Job>),
    orders: Mutex<Option<(Sender<Job>, JoinHandle<()>)>>,
}

#[derive(Debug)]
struct Job {
    to: Destination,
    ripe: Instant,
}

impl Packer {
    pub(super) fn new() -> Self {
        let hand = |name, work| Hand { name, work, orders: Mutex::default() };
        Self { prune: hand("abide-prune", prune_each), pack: hand("abide-pack", pack_each) }
    }

    /// A file of that log was rotated.
    pub(super) fn order(&self, to: &Destination) {
        let job = |after| Job { to: to.clone(), ripe: Instant::now() + after };
        if self.prune.take(job(Duration::ZERO)).is_err() {
            // Without a thread it is done here, however long it takes.
            let _ = prune(to);
        }
        if to.policy.compress != Compress::None {
            // Without a thread files stay as they are, and the next rotation tries again.
            let _ = self.pack.take(job(RIPE));
        }
    }

    /// Waits until all is deleted that is to be.
    pub(super) fn finish(&self) {
        let orders = self.prune.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((orders, thread)) = orders {
            drop(orders);
            let _ = thread.join();
        }
    }
}

impl Hand {
    fn take(&self, job: Job) -> Result<(), ()> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.is_none() {
            let (sender, jobs) = channel();
            let work = self.work;
            let thread = std::thread::Builder::new().name(self.name.into()).stack_size(STACK);
            *orders = Some((sender, thread.spawn(move || work(&jobs)).map_err(drop)?));
        }
        orders.as_ref().map_or(Err(()), |(orders, _)| orders.send(job).map_err(drop))
    }
}

/// Does for each log what is due, once for however many orders there were, until nobody orders any more. What `act` says
/// is how long after that it is to be done again.
fn each(jobs: &Receiver<Job>, mut act: impl FnMut(&Destination) -> Option<Duration>) {
    let mut waiting: BTreeMap<PathBuf, Job> = BTreeMap::new();
    let mut ordered = true;
    while ordered || !waiting.is_empty() {
        let now = Instant::now();
        let first = waiting.iter().min_by_key(|(_, job)| job.ripe).map(|(path, job)| (path.clone(), job.ripe));
        let received = match &first {
            Some((_, ripe)) => jobs.recv_timeout(ripe.saturating_duration_since(now)),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match (received, first) {
            (Ok(job), _) => {
                let known = waiting.entry(job.to.path()).or_insert_with(|| Job { to: job.to.clone(), ripe: job.ripe });
                known.to = job.to;
            }
            (Err(error), Some((path, _))) => {
                ordered = error == RecvTimeoutError::Timeout;
                let Some(job) = waiting.remove(&path) else { continue };
                if let Some(after) = act(&job.to).filter(|_| ordered) {
                    waiting.insert(path, Job { ripe: Instant::now() + after, ..job });
                }
            }
            (Err(_), None) => ordered = false,
        }
    }
}

fn prune_each(jobs: &Receiver<Job>) {
    each(jobs, |to| {
        // What cannot be deleted now is found again at the next rotation.
        let _ = prune(to);
        None
    });
}

fn pack_each(jobs: &Receiver<Job>) {
    // Refused: then it competes with the others.
    let _ = set_nice(19);
    let mut said = None;
    each(jobs, |to| {
        let outcome = pack_all(to, now().saturating_sub(RIPE.as_micros() as i64));
        let trouble = outcome.as_ref().err().map(ToString::to_string);
        if let Some(trouble) = &trouble
            && said.as_ref() != Some(trouble)
        {
            say(format_args!("{trouble}"));
        }
        said = trouble;
        outcome.is_ok_and(|done| !done).then_some(RIPE)
    });
}

/// Compresses the rotated files of a log that are not, but for those that are younger than `until`, in microseconds since
/// 1970. Whether that are all.
pub(super) fn pack_all(to: &Destination, until: i64) -> Result<bool, Trouble> {
    let _eyes = eyes(to)?;
    let failed = |errno| Trouble::Compress { path: to.directory.clone(), errno };
    let directory = open_or_make(&to.directory, to.uid())?;
    let there = listing(to, &directory).map_err(failed)?;
    let packed = |at| there.iter().any(|it| it.0 == at && it.1.is_packed());
    let plain = || there.iter().filter(|it| it.1 == Form::Plain).map(|it| it.0);
    // One that is named by a time to come is no younger: the clock was set back.
    let is_young = |at: &i64| *at > until && *at <= now();
    for at in plain().filter(|at| !is_young(at)) {
        if packed(at) {
            // A crash came between the two.
            let _ = unlinkat(&directory, to.file.rotated(at, Form::Plain).as_str(), UnlinkatFlags::NoRemoveDir);
            continue;
        }
        match pack(to, &directory, at) {
            // It was deleted, as too old or too much.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(!plain().any(|at| is_young(&at)))
}

fn pack(to: &Destination, directory: &OwnedFd, at: i64) -> Result<(), Errno> {
    let (how, plain) = (to.policy.compress, to.file.rotated(at, Form::Plain));
    let (hidden, packed) = (to.file.unfinished(at, how.into()), to.file.rotated(at, how.into()));
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let source = openat(directory, plain.as_str(), flags | OFlag::O_RDONLY, Mode::empty())?;
    let stat = fstat(&source)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG || !is_ours(&stat, to.uid()) {
        return Ok(());
    }
    let _ = unlinkat(directory, hidden.as_str(), UnlinkatFlags::NoRemoveDir);
    let creating = flags | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP;
    let target: File = openat(directory, hidden.as_str(), creating, mode)?.into();
    let done = compress(how, &mut source.into(), &target).map_err(|error| errno_of(&error)).and_then(|()| {
        // By this the two are known to be one: who reads the one goes on after it, and not with the other.
        let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
        futimens(&target, &modified, &modified)?;
        fdatasync(&target)?;
        renameat(directory, hidden.as_str(), directory, packed.as_str())?;
        unlinkat(directory, plain.as_str(), UnlinkatFlags::NoRemoveDir)
    });
    if done.is_err() {
        let _ = unlinkat(directory, hidden.as_str(), UnlinkatFlags::NoRemoveDir);
    }
    done
}

fn compress(how: Compress, source: &mut File, target: &File) -> io::Result<()> {
    let out = BufWriter::with_capacity(64 << 10, target);
    let mut out = match how {
        Compress::Zstd => {
            let mut out = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            out.include_checksum(true)?;
            io::copy(source, &mut out)?;
            out.finish()?
        }
        Compress::Gzip => {
            let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            io::copy(source, &mut out)?;
            out.finish()?
        }
        Compress::None => return Err(io::Error::other("nothing to do")),
    };
    out.flush()
}
