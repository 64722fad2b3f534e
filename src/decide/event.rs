//! Everything the world may tell us.

use crate::model::check::Sign;
use crate::model::desired::Delta;
use crate::model::history::{KeptVersion, Rollbacks};
use crate::model::limits::Limits;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::order::{Hold, Order};
use crate::model::outcome::{Exit, Failure, Used};
use crate::model::selector::Target;
use serde::{Deserialize, Serialize};

/// A fact. Doubled, late or lost ones are a delay, never a wrong turn: each carries the run that
/// it speaks of, and facts about earlier runs are ignored.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The files' meaning changed.
    Delta(Delta),
    /// The process of this run executes its program.
    Spawned {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Its pid.
        pid: i32,
        /// Its start in clock ticks since boot.
        start_ticks: u64,
        /// The limits that the kernel reports, of those that the service names.
        limits: Limits,
    },
    /// This run has no process and never will: it could not be made, or ended before its program.
    SpawnFailed {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Why.
        failure: Failure,
    },
    /// The process of this run ended. May come before [`Event::Spawned`] of the same run, which is then ignored.
    Exited {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// How.
        exit: Exit,
        /// Whether processes that it started are left.
        leftovers: bool,
        /// Whether the kernel killed something of it for want of memory.
        oom: bool,
        /// What it used.
        used: Used,
    },
    /// What [`Event::Exited`] said was left of this run is gone too.
    TreeEmpty {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// Nobody can read the output of this run: the logger found no descriptor for it.
    Unheard {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// The service whose output this run reads has not ended.
    InputHeld {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// Limits were set on the running process, or could not be.
    LimitsSet {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// What the kernel now reports, or why not.
        outcome: Result<Limits, Failure>,
    },
    /// The logger or the kernel reports on an instance's output: totals so far.
    LogDropped {
        /// Whose.
        instance: InstanceId,
        /// Bytes dropped since the instance was opened.
        bytes: u64,
        /// Lines among them.
        lines: u64,
    },
    /// The process of this run, or its log, says something of it.
    Signed {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// What.
        sign: Sign,
    },
    /// The answer to [`super::effect::Effect::FindMain`].
    MainFound {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Pid and start in clock ticks since boot; from now on its end is the end of the run. Or why there is none (yet).
        outcome: Result<(i32, u64), String>,
    },
    /// An errand is over, or could not be run.
    ErrandEnded {
        /// Whose.
        instance: InstanceId,
        /// Which errand: the run that it was ordered as.
        run: RunId,
        /// How.
        outcome: Result<Exit, Failure>,
    },
    /// The answer to a probe.
    Probed {
        /// Whose.
        instance: InstanceId,
        /// Which probe: the run that it was ordered as.
        run: RunId,
        /// Well, or why not, in words.
        outcome: Result<(), String>,
    },
    /// The answer to [`super::effect::Effect::Measure`]; none comes where nothing could be measured.
    Measured {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Bytes of memory that its tree uses.
        memory: u64,
    },
    /// Cgroup values were set on the running tree, or could not be.
    ResourcesSet {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Why not, in words.
        outcome: Result<(), String>,
    },
    /// Letters came over `supervise/control`, in this order.
    Commanded {
        /// To whom.
        instance: InstanceId,
        /// Which.
        letters: Vec<u8>,
    },
    /// The configuration files that `[reload] watch` names changed, and the change is settled.
    FilesChanged {
        /// Of which service.
        service: ServiceName,
        /// Those that changed, as shown to people.
        files: Vec<String>,
    },
    /// An operator gave an order. Answered by [`super::effect::Effect::Answer`].
    Ordered {
        /// The number of the answer.
        call: CallId,
        /// What, with what, by whom.
        order: Order,
    },
    /// What an earlier abide had written down as held. Comes before the first delta.
    Held(Vec<(Target, Hold)>),
    /// What an earlier abide had rejected.
    RolledBack(Rollbacks),
    /// The answer to [`super::effect::Effect::Recall`]: the version; `None`: none can be had.
    Recalled {
        /// Of which service.
        service: ServiceName,
        /// Which.
        version: Option<Box<KeptVersion>>,
    },
    /// What an earlier abide had on its books as suspended: services, or by `None` all.
    Suspended(Vec<(Option<ServiceName>, Hold)>),
    /// Somebody asked abide to end. A second time: to hurry (KILL at once).
    Shutdown,
}

/// An order that somebody waits to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// One run of an instance: grows by one with each attempt to start it, over all instances of the
/// fleet, so that it is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl Event {
    /// The instance that it is about, where it is about one.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Spawned { instance, .. }
            | Self::SpawnFailed { instance, .. }
            | Self::Exited { instance, .. }
            | Self::TreeEmpty { instance, .. }
            | Self::Unheard { instance, .. }
            | Self::InputHeld { instance, .. }
            | Self::LimitsSet { instance, .. }
            | Self::LogDropped { instance, .. }
            | Self::Signed { instance, .. }
            | Self::MainFound { instance, .. }
            | Self::ErrandEnded { instance, .. }
            | Self::Probed { instance, .. }
            | Self::Measured { instance, .. }
            | Self::Commanded { instance, .. }
            | Self::ResourcesSet { instance, .. } => Some(instance),
            Self::Delta(_)
            | Self::FilesChanged { .. }
            | Self::Ordered { .. }
            | Self::Held(_)
            | Self::Suspended(_)
            | Self::RolledBack(_)
            | Self::Recalled { .. }
            | Self::Shutdown => None,
        }
    }
}
