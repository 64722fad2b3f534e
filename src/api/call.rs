//! What a door asks of the loop, and how it gets the answer.

use crate::host::doctor::Directories;
use crate::model::desired::Definition;
use crate::model::diagnostic::{Diagnostic, FileFinding};
use crate::model::history::{Difference, History, NoVersion};
use crate::model::name::ServiceName;
use crate::model::order::{Author, Done, Order};
use crate::model::plan::Plan;
use crate::model::selector::{NoSuch, Selector, Target};
use crate::model::service::Service;
use crate::render::prometheus::Lines;
use crate::render::snapshot::Envelope;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The way back. A door that does not wait any more is no error.
pub type Answer<T> = oneshot::Sender<T>;

/// One question. The loop answers each at once, but for a plan of a directory, which has to be read.
#[derive(Debug)]
pub enum Call {
    /// How all stands now.
    Status(Answer<Snapshot>),
    /// Which services and instances some names mean.
    Select(Vec<Selector>, Answer<Result<Vec<Target>, NoSuch>>),
    /// Which services run as the user of this uid.
    Owned(u32, Answer<Vec<ServiceName>>),
    /// What is wrong with the doors themselves, for the status. All of it.
    Trouble(Vec<String>),
    /// What a door must know of one service to look closer.
    Facts(ServiceName, Answer<Option<Facts>>),
    /// The same of all services of which anything was ever good.
    AllFacts(Answer<Vec<Facts>>),
    /// What is wrong with files, their lines included: of each service, and, by `None`, of none.
    Findings(Answer<Vec<FileFinding>>),
    /// What the metrics tell of all.
    Series(Answer<Series>),
    /// What abide's own log tells from now on, if something is to change; what it tells then, or what is wrong with that.
    LogLevel(Option<String>, Answer<Result<String, String>>),
    /// Where abide keeps what is its own.
    Directories(Answer<Directories>),
    /// The versions of a service that are kept.
    History(ServiceName, Answer<Result<History, NoVersion>>),
    /// What differs between two versions of a service.
    Difference(ServiceName, Between, Answer<Result<Difference, NoVersion>>),
    /// The version of a service whose digest begins so, or the one before that in force.
    Earlier(ServiceName, Option<String>, Answer<Result<Box<Service>, NoVersion>>),
    /// Do this; one answer a target.
    Order(Order, Answer<Vec<Done>>),
    /// The end at which something can be written for an instance to read; `None`: it reads from no pipe, or does not run.
    Input(Target, Author, Answer<Option<io::Result<OwnedFd>>>),
    /// Look at all that nobody tells about, as SIGHUP has it.
    LookAnew,
    /// End all services, and abide.
    End(Author),
    /// What would change if the watched directories said what this one says; `None`: what is not yet as the files
    /// say, and why.
    Plan(Option<PathBuf>, Answer<Result<Planned, String>>),
}

/// The snapshot in pieces that are shared with what is written to disk, so that it costs the loop no copy.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// All up to the list of services, as JSON.
    pub head: Vec<u8>,
    /// Each service, as JSON, by name.
    pub services: Vec<(ServiceName, Arc<[u8]>)>,
    /// All after it.
    pub tail: Vec<u8>,
}

impl Snapshot {
    /// One document, of those services for which `of` holds.
    pub fn json(&self, of: impl Fn(&ServiceName) -> bool) -> Vec<u8> {
        let size: usize = self.services.iter().map(|(_, json)| json.len() + 1).sum();
        let mut out = Vec::with_capacity(self.head.len() + size + self.tail.len());
        out.extend_from_slice(&self.head);
        out.push(b'[');
        for (at, (_, json)) in self.services.iter().filter(|(name, _)| of(name)).enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b"," });
            out.extend_from_slice(json);
        }
        out.extend_from_slice(&self.tail);
        out
    }

    /// One service.
    pub fn service(&self, name: &str) -> Option<&[u8]> {
        let at = self.services.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.services[at].1)
    }
}

/// What the metrics tell, in pieces that are shared with what is written to disk.
#[derive(Debug, Clone)]
pub struct Series {
    /// Of abide and its directories.
    pub envelope: Envelope,
    /// Of each service that has any.
    pub lines: Vec<(ServiceName, Lines)>,
}

/// One service, as a door must know it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The definition in force.
    pub definition: Arc<Definition>,
    /// Its instances.
    pub instances: Vec<InstanceFacts>,
    /// The pid of the keeper, whose children the processes are.
    pub keeper: i32,
}

/// Which two versions: digests, or how they begin.
#[derive(Debug, Clone, Default)]
pub struct Between {
    /// Without it the one before the other.
    pub from: Option<String>,
    /// Without it the one in force.
    pub to: Option<String>,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct InstanceFacts {
    /// Its number.
    pub index: u32,
    /// Whether it is not the only one.
    pub numbered: bool,
    /// Its process and the start of that in clock ticks since boot, while it has one.
    pub process: Option<(i32, u64)>,
    /// The file that its output goes to.
    pub log: Option<PathBuf>,
    /// Those that its stdout and its stderr go to.
    pub streams: [Option<String>; 2],
}

/// A plan, and what is wrong with the files that it was made from.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What would happen.
    pub plan: Plan,
    /// What is wrong.
    pub findings: Vec<Diagnostic>,
}

/// The loop is over: abide is ending.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("abide is ending; nothing can be asked of it any more")]
pub struct Ending;

/// Asks the loop.
#[derive(Clone)]
pub struct Caller(Arc<dyn Fn(Call) + Send + Sync>);

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller")
    }
}

impl Caller {
    /// One whose questions go where `post` brings them.
    pub fn new(post: impl Fn(Call) + Send + Sync + 'static) -> Self {
        Self(Arc::new(post))
    }

    /// Tells, and waits for nothing.
    pub fn tell(&self, call: Call) {
        (self.0)(call);
    }

    /// Asks, and waits for the answer.
    pub async fn ask<T>(&self, question: impl FnOnce(Answer<T>) -> Call) -> Result<T, Ending> {
        let (answer, comes) = oneshot::channel();
        (self.0)(question(answer));
        comes.await.map_err(|_| Ending)
    }
}
