//! The only place where a clock is read.

use crate::host::sys::child::boot_nanoseconds;
use crate::model::time::{Mono, Now, Wall};
use nix::time::{ClockId, clock_gettime};

/// Now, on both clocks.
pub fn now() -> Now {
    let read = |clock| clock_gettime(clock).expect("Linux has both clocks");
    let (mono, wall) = (read(ClockId::CLOCK_MONOTONIC), read(ClockId::CLOCK_REALTIME));
    Now {
        mono: Mono(mono.tv_sec() as u64 * 1_000_000_000 + mono.tv_nsec() as u64),
        wall: Wall(wall.tv_sec() * 1_000_000 + wall.tv_nsec() / 1_000),
    }
}

/// The unit of a process's start time in `/proc`: the kernel reports hundredths on every machine.
pub fn ticks(boot_nanoseconds: u64) -> u64 {
    boot_nanoseconds / 10_000_000
}

/// Clock ticks since boot, as `/proc` counts starts.
pub fn boot_ticks() -> u64 {
    ticks(boot_nanoseconds())
}
