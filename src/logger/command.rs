//! What the main thread tells a worker.

use crate::log::lookout::Lookout;
use crate::log::order::Destination;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// What a worker is told. Its epoll set already holds the pipes.
pub(super) enum Command {
    Attach {
        slot: u32,
        pipes: [Option<Arc<OwnedFd>>; 2],
        to: Destination,
        rename_from: Option<PathBuf>,
    },
    /// The same, but no descriptor was free for the pipes: they are to be opened once files are closed.
    Open {
        slot: u32,
        to: Destination,
        rename_from: Option<PathBuf>,
    },
    Redirect {
        slot: u32,
        to: Destination,
        rename_from: Option<PathBuf>,
    },
    Detach {
        slot: u32,
    },
    /// Look for a line on behalf of a run; if `fresh`, only in what comes after what the pipe holds now.
    Watch {
        slot: u32,
        run: u64,
        lookout: Option<Lookout>,
        fresh: bool,
    },
    /// What the pipe holds is all that a run has said: its last line is complete.
    Complete {
        slot: u32,
    },
    /// Close its file, rotated or not.
    Tend {
        slot: u32,
        rotate: bool,
        number: u64,
    },
    /// Another worker reads it from now on.
    Yield {
        slot: u32,
    },
    /// Empty all pipes and end.
    Finish,
}
