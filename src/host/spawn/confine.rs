//! What a service may do and see, and how it is scheduled, in the words of the child.

use crate::host::sys::child::{Isolation, Privileges, Refusal, Scheduling};
use crate::model::capability;
use crate::model::launch::Launch;
use crate::model::outcome::{Failure, Step};
use crate::model::schedule::{IoClass, Realtime, Schedule, ranges};
use crate::model::security::{PRIVATE, Security};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

/// Prepared: everything that [`Isolation`] and [`Scheduling`] borrow.
#[derive(Debug, Default)]
pub(super) struct Confinement {
    namespaces: i32,
    root: Option<CString>,
    read_only: Vec<CString>,
    private: Vec<CString>,
    inaccessible: Vec<CString>,
    hostname: Option<CString>,
    pub(super) privileges: Privileges,
    pub(super) input: Option<CString>,
    schedule: Schedule,
    oom_score: Option<CString>,
    cpus: Option<Vec<u64>>,
    own_files: bool,
}

impl Confinement {
    /// What `launch` asks for. `uid`: ours.
    pub(super) fn of(launch: &Launch, uid: u32) -> Result<Self, Failure> {
        let text = |text: &String| {
            CString::new(text.as_str()).map_err(|_| Failure::Prepare(format!("{text:?} has a NUL byte")))
        };
        let all = |texts: &[String]| texts.iter().map(text).collect::<Result<Vec<_>, _>>();
        let mut made = Self { input: launch.stdin.as_ref().map(text).transpose()?, ..Self::default() };
        if let Some(security) = &launch.security {
            made.namespaces = namespaces(security);
            made.root = security.chroot.as_ref().map(text).transpose()?;
            made.read_only = all(&security.read_only_paths)?;
            made.inaccessible = all(&security.inaccessible_paths)?;
            made.private = if security.private_tmp { all(&PRIVATE.map(str::to_owned))? } else { Vec::new() };
            made.hostname = security.hostname.as_ref().map(text).transpose()?;
            made.privileges = Privileges {
                bounding: security.capabilities,
                ambient: security.ambient_capabilities,
                no_new: security.no_new_privileges,
            };
        }
        if let Some(schedule) = &launch.schedule {
            made.oom_score = schedule.oom_score_adjust.map(|score| text(&score.to_string())).transpose()?;
            made.cpus = schedule.cpu_affinity.as_deref().map(mask);
            made.own_files = made.oom_score.is_some() && uid != 0;
            made.schedule = Schedule::clone(schedule);
        }
        Ok(made)
    }

    /// `beside`: a process that has these namespaces already.
    pub(super) fn isolation(&self, beside: Option<&OwnedFd>) -> Option<Isolation<'_>> {
        (self.namespaces != 0 || self.root.is_some()).then_some(Isolation {
            namespaces: self.namespaces,
            beside: beside.map(AsRawFd::as_raw_fd),
            root: self.root.as_deref(),
            read_only: &self.read_only,
            private: &self.private,
            inaccessible: &self.inaccessible,
            hostname: self.hostname.as_deref(),
        })
    }

    pub(super) fn scheduling(&self) -> Scheduling<'_> {
        Scheduling {
            oom_score: self.oom_score.as_deref(),
            own_files: self.own_files,
            nice: self.schedule.nice,
            io: self.schedule.io.map(io_priority),
            cpus: self.cpus.as_deref(),
            realtime: self.schedule.realtime.map(|realtime| match realtime {
                Realtime::Fifo(priority) => (libc::SCHED_FIFO, i32::from(priority)),
                Realtime::RoundRobin(priority) => (libc::SCHED_RR, i32::from(priority)),
            }),
        }
    }

    /// Whether the child needs memory of its own for it.
    pub(super) fn copies_memory(&self) -> bool {
        self.own_files
    }

    /// What a step of ours was done to; `None`: it is none of ours.
    pub(super) fn subject(&self, refusal: Refusal) -> Option<String> {
        let path = |paths: &[CString]| paths.get(refusal.detail as usize).map_or_else(String::new, |path| shown(path));
        Some(match refusal.step {
            Step::ReadOnly => path(&self.read_only),
            Step::PrivateTmp => path(&self.private),
            Step::Inaccessible => path(&self.inaccessible),
            Step::Hostname => self.hostname.as_deref().map_or_else(String::new, shown),
            Step::Chroot => self.root.as_deref().map_or_else(String::new, shown),
            Step::Input => self.input.as_deref().map_or_else(|| "/dev/null".to_owned(), shown),
            Step::Bounding | Step::Ambient => capability::name(refusal.detail),
            Step::OomScore => self.oom_score.as_deref().map_or_else(String::new, shown),
            Step::Nice => self.schedule.nice.map_or_else(String::new, |nice| nice.to_string()),
            Step::IoClass => self.schedule.io.map_or_else(String::new, |io| io.to_string()),
            Step::Affinity => self.schedule.cpu_affinity.as_deref().map_or_else(String::new, ranges),
            Step::Realtime => self.schedule.realtime.map_or_else(String::new, |realtime| realtime.to_string()),
            _ => return None,
        })
    }
}

fn shown(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}

/// Only those that are needed.
fn namespaces(security: &Security) -> i32 {
    let flags = [
        (security.has_mounts(), libc::CLONE_NEWNS),
        (security.private_network, libc::CLONE_NEWNET),
        (security.hostname.is_some(), libc::CLONE_NEWUTS),
    ];
    flags.into_iter().filter(|(needed, _)| *needed).fold(0, |all, (_, flag)| all | flag)
}

/// `IOPRIO_PRIO_VALUE` of `linux/ioprio.h`: the class above 13 bits of level.
fn io_priority(class: IoClass) -> i32 {
    match class {
        IoClass::Realtime(level) => 1 << 13 | i32::from(level),
        IoClass::BestEffort(level) => 2 << 13 | i32::from(level),
        IoClass::Idle => 3 << 13,
    }
}

fn mask(cpus: &[u32]) -> Vec<u64> {
    let words = cpus.iter().max().map_or(1, |highest| *highest as usize / 64 + 1);
    let mut mask = vec![0; words];
    for cpu in cpus {
        mask[*cpu as usize / 64] |= 1 << (cpu % 64);
    }
    mask
}
