//! When somebody who waits for a process has waited long enough.

use super::states::ProcessState;
use super::{Done, Outcome, Trouble};

/// The outcome of a start that is waited for, once the process is in `state`. None: go on waiting.
pub fn started(state: ProcessState, spawn_error: &str) -> Option<Outcome> {
    match state {
        ProcessState::Starting => None,
        ProcessState::Running => Some(Ok(Done::Plain)),
        _ if spawn_error.is_empty() => Some(Err(Trouble::Abnormal)),
        _ => Some(Err(Trouble::SpawnError)),
    }
}

/// The outcome of a stop that is waited for, once the process is in `state`. None: go on waiting.
pub fn stopped(state: ProcessState) -> Option<Outcome> {
    state.is_stopped().then_some(Ok(Done::Plain))
}
