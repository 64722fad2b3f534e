//! Everything we may ask of the world.

use super::event::{CallId, RunId};
use crate::model::desired::Definition;
use crate::model::history::Rollbacks;
use crate::model::limits::Limits;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::order::{Done, Hold, LogAct};
use crate::model::plan::Step;
use crate::model::policy::StopScope;
use crate::model::selector::Target;
use crate::model::service::Version;
use crate::model::signal::Signal;
use crate::model::supervise::Shown;
use crate::model::time::Wall;
use crate::model::transition::Transition;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A wish, to be carried out in the order in which they are given. None of them can fail here:
/// what goes wrong comes back as an [`super::event::Event`].
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make a process; opens the instance's slot and log pipe if it has none yet. Answered by
    /// `Spawned` or `SpawnFailed`, and, after `Spawned`, by one `Exited`. Where an earlier supervisor has had it made
    /// already, it is not made again, and answered all the same.
    Spawn {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// What.
        definition: Arc<Definition>,
        /// Whether the service has more than one instance (its log directory is then `NAME@n`).
        numbered: bool,
        /// Whether it may be made now. If not, it counts only if it was made already.
        wanted: bool,
    },
    /// This run was begun under an earlier supervisor: take it over. Answered as by a `Spawn` that has been answered by
    /// `Spawned`: by one `Exited`; or, where that has been told, by one `TreeEmpty`.
    Resume {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// What it was begun with or brought to.
        definition: Arc<Definition>,
        /// As in `Spawn`.
        numbered: bool,
        /// Whether the end of its process is told, and only what it started is left.
        ended: bool,
        /// Whether it has still to say that it is ready.
        awaits: bool,
    },
    /// The process does not get to its program: kill it. Answered by `SpawnFailed`.
    AbandonSpawn {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// Send a signal to what is left of this run, unless it was sent.
    Signal {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Which of those that it gets: 1, 2 and so on. So that a supervisor after us sends none twice.
        nth: u32,
        /// Which.
        signal: Signal,
        /// How far it reaches.
        scope: StopScope,
    },
    /// Nothing more will be written that it reads: it comes to the end of that. Answered by `InputHeld` where that is
    /// not so.
    EndInput {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// Set limits on the running process. Answered by `LimitsSet`.
    SetLimits {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Those that changed.
        limits: Limits,
    },
    /// Set cgroup values on the running tree: those of `definition`. Answered by `ResourcesSet`.
    SetResources {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Whose `resources` hold from now on.
        definition: Arc<Definition>,
    },
    /// The process of a `forking` service has ended with success: find the one that it left to be
    /// watched, by its pid file or in its tree. Answered by `MainFound`.
    FindMain {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Its definition, with the `pid_file`; or the pid that the service itself named.
        definition: Arc<Definition>,
        /// What MAINPID= named.
        named: Option<i32>,
    },
    /// Run one of the service's other commands, if that was not done, as the service itself is run: as its user, in its
    /// directory, tree and limits, with its output in the service's log. Answered by `ErrandEnded`.
    RunErrand {
        /// Whose.
        instance: InstanceId,
        /// A run of its own.
        run: RunId,
        /// Which command.
        errand: Errand,
        /// Of which definition.
        definition: Arc<Definition>,
        /// Variables beside those of the service.
        variables: Vec<(String, String)>,
        /// Words after those of the command.
        arguments: Vec<String>,
    },
    /// The errand takes too long, or is not wanted any more: KILL to its group. Its `ErrandEnded` comes all the same.
    EndErrand {
        /// Whose.
        instance: InstanceId,
        /// Which.
        run: RunId,
    },
    /// Ask, once, whether the service answers: a `tcp` or `http` check. Answered by `Probed`.
    Probe {
        /// Whose.
        instance: InstanceId,
        /// A run of its own.
        run: RunId,
        /// Which of its checks.
        which: Which,
        /// Of which definition.
        definition: Arc<Definition>,
    },
    /// The answer is not wanted any more; none comes.
    DropProbe {
        /// Whose.
        instance: InstanceId,
        /// Which.
        run: RunId,
    },
    /// Measure the memory of the tree of this run. Answered by `Measured`.
    Measure {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// From now on this definition says what becomes of the instance's output.
    SetLog {
        /// Whose.
        instance: InstanceId,
        /// Whose `log` holds.
        definition: Arc<Definition>,
        /// As in `Spawn`.
        numbered: bool,
    },
    /// Somebody wants this done to the log of the instance.
    TendLog {
        /// Whose.
        instance: InstanceId,
        /// What.
        act: LogAct,
    },
    /// Take the directory `supervise/` of a legacy service and listen there; a `Spawn` waits for that, and fails where
    /// another holds it. Told by `Commanded` is what comes.
    Supervise {
        /// Whose.
        instance: InstanceId,
        /// Where, and with whose rights.
        definition: Arc<Definition>,
        /// What to write down there.
        shown: Shown,
    },
    /// Write this down in `supervise/status`.
    Show {
        /// Whose.
        instance: InstanceId,
        /// What.
        shown: Shown,
    },
    /// Let go of `supervise/`: nobody listens there any more.
    Unsupervise {
        /// Whose.
        instance: InstanceId,
    },
    /// This instance has another name from now on, and nothing else of it changes: all that there is of it, its
    /// process, its slot and its `supervise/` among it, is that of the new name. Comes when all that was ordered under
    /// either name is done.
    Rename {
        /// Its name so far.
        from: InstanceId,
        /// And from now on.
        to: InstanceId,
        /// By which its output is kept.
        definition: Arc<Definition>,
    },
    /// The instance is gone for good: what its pipe still holds is written, then its slot is free.
    Close {
        /// Whose.
        instance: InstanceId,
    },
    /// What came of an order, one a target.
    Answer {
        /// Which.
        call: CallId,
        /// In the order of its targets.
        done: Vec<Done>,
    },
    /// Write down that this is held, or that it is not any more: it must outlive us.
    KeepHold {
        /// What.
        target: Target,
        /// How; `None`: not any more.
        hold: Option<Hold>,
    },
    /// Write down a version that is in force from now on.
    KeepVersion {
        /// When that began.
        at: Wall,
        /// Why.
        cause: String,
        /// The file that defines it.
        file: PathBuf,
        /// What that holds.
        file_hash: Option<Version>,
        /// The version.
        definition: Arc<Definition>,
    },
    /// Find the version of this service that was last written down. Answered by `Recalled`.
    Recall {
        /// Which service.
        service: ServiceName,
    },
    /// The service is gone: its versions are kept a while, for its return.
    RetireVersions {
        /// Which service.
        service: ServiceName,
    },
    /// Write down all that was rejected: it must outlive us.
    KeepRollbacks(Rollbacks),
    /// Write down all that is suspended: it must outlive us.
    KeepSuspended(Vec<(Option<ServiceName>, Hold)>),
    /// Log this transition.
    Report(Transition),
    /// Log this step of a plan that is being carried out.
    Announce(Step),
    /// Nothing is left to do: abide may end.
    Finished,
}

/// A command of a service that is not the service itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// `[start] before`, the one of this index.
    Before(usize),
    /// `[start] after`, the one of this index.
    After(usize),
    /// `[stop] command`.
    Stop,
    /// `[stop] after`, the one of this index.
    Stopped(usize),
    /// `[reload] command`.
    Reload,
    /// An `exec` check.
    Check(Which),
}

/// Which of the two checks that a service can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// `[ready]`.
    Ready,
    /// `[health]`.
    Health,
}
