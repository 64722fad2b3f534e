//! `[limits]`.

use crate::model::limits::{LimitKind, Limits as ModelLimits};
use crate::source::toml::bounds::{CountLimit, MicrosLimit, SecondsLimit, SizeLimit};
use crate::source::toml::table::table;
use schemars::JsonSchema;

table! {
    /// Resource limits (`setrlimit(2)`).
    Limits {
        /// Open file descriptors (RLIMIT_NOFILE).
        open_files: CountLimit,
        /// Processes and threads of the user (RLIMIT_NPROC).
        processes: CountLimit,
        /// Size of a core file (RLIMIT_CORE); 0 for none.
        core: SizeLimit,
        /// Size of a file that it writes (RLIMIT_FSIZE).
        file_size: SizeLimit,
        /// Size of the stack (RLIMIT_STACK).
        stack: SizeLimit,
        /// Memory locked into RAM (RLIMIT_MEMLOCK).
        memory_lock: SizeLimit,
        /// Address space (RLIMIT_AS).
        address_space: SizeLimit,
        /// Data segment and heap (RLIMIT_DATA).
        data: SizeLimit,
        /// Resident set (RLIMIT_RSS); Linux ignores it.
        resident_set: SizeLimit,
        /// CPU time (RLIMIT_CPU): seconds, or a duration.
        cpu_time: SecondsLimit,
        /// Ceiling of the nice value (RLIMIT_NICE): the kernel's number, 20 minus nice.
        nice: CountLimit,
        /// Ceiling of the real-time priority (RLIMIT_RTPRIO).
        realtime_priority: CountLimit,
        /// CPU time of a real-time process without a blocking call (RLIMIT_RTTIME): microseconds, or a duration.
        realtime_cpu: MicrosLimit,
        /// Queued signals (RLIMIT_SIGPENDING).
        pending_signals: CountLimit,
        /// Bytes in POSIX message queues (RLIMIT_MSGQUEUE).
        message_queue: SizeLimit,
        /// File locks (RLIMIT_LOCKS); Linux ignores it.
        locks: CountLimit,
    }
    later &[]
}

impl Limits {
    /// By kind.
    pub fn to_model(&self) -> ModelLimits {
        let of = |kind: LimitKind| match kind {
            LimitKind::OpenFiles => self.open_files.map(|limit| limit.0),
            LimitKind::Processes => self.processes.map(|limit| limit.0),
            LimitKind::Core => self.core.map(|limit| limit.0),
            LimitKind::FileSize => self.file_size.map(|limit| limit.0),
            LimitKind::Stack => self.stack.map(|limit| limit.0),
            LimitKind::MemoryLock => self.memory_lock.map(|limit| limit.0),
            LimitKind::AddressSpace => self.address_space.map(|limit| limit.0),
            LimitKind::Data => self.data.map(|limit| limit.0),
            LimitKind::ResidentSet => self.resident_set.map(|limit| limit.0),
            LimitKind::CpuTime => self.cpu_time.map(|limit| limit.0),
            LimitKind::Nice => self.nice.map(|limit| limit.0),
            LimitKind::RealtimePriority => self.realtime_priority.map(|limit| limit.0),
            LimitKind::RealtimeCpu => self.realtime_cpu.map(|limit| limit.0),
            LimitKind::PendingSignals => self.pending_signals.map(|limit| limit.0),
            LimitKind::MessageQueue => self.message_queue.map(|limit| limit.0),
            LimitKind::Locks => self.locks.map(|limit| limit.0),
        };
        LimitKind::ALL.into_iter().filter_map(|kind| Some((kind, of(kind)?))).collect()
    }
}
