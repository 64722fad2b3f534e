//! Everything we may ask of the world.

use super::event::RunId;
use crate::model::desired::Definition;
use crate::model::limits::Limits;
use crate::model::logging::LogPolicy;
use crate::model::name::InstanceId;
use crate::model::plan::Step;
use crate::model::policy::StopScope;
use crate::model::signal::Signal;
use crate::model::transition::Transition;
use std::sync::Arc;

/// A wish, to be carried out in the order in which they are given. None of them can fail here:
/// what goes wrong comes back as an [`super::event::Event`].
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make a process; opens the instance's slot and log pipe if it has none yet. Answered by
    /// `Spawned` or `SpawnFailed`, and, after `Spawned`, by one `Exited`.
    Spawn {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// What.
        definition: Arc<Definition>,
        /// Whether the service has more than one instance (its log directory is then `NAME@n`).
        numbered: bool,
    },
    /// The process does not get to its program: kill it. Answered by `SpawnFailed`.
    AbandonSpawn {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// Send a signal to what is left of this run.
    Signal {
        /// Whose.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Which.
        signal: Signal,
        /// How far it reaches.
        scope: StopScope,
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
    /// From now on this policy holds for the instance's output.
    SetLog {
        /// Whose.
        instance: InstanceId,
        /// The policy.
        policy: LogPolicy,
        /// The definition whose templates it belongs to.
        definition: Arc<Definition>,
        /// As in `Spawn`.
        numbered: bool,
    },
    /// The instance is gone for good: what its pipe still holds is written, then its slot is free.
    Close {
        /// Whose.
        instance: InstanceId,
    },
    /// Log this transition.
    Report(Transition),
    /// Log this step of a plan that is being carried out.
    Announce(Step),
    /// Nothing is left to do: abide may end.
    Finished,
}
