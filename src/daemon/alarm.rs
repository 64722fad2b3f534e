//! The loop's clock: one timer, set to the next deadline.

use super::turn::watch;
use crate::model::time::Mono;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// When the loop is to wake. A timer of tokio's that is set to be the first wakes the loop for being set.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: TimerFd,
    expiries: AsyncFd<OwnedFd>,
    /// What it is set to; a time in the past counts as one.
    at: Option<Mono>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        let expiries = watch(timer.as_fd().try_clone_to_owned()?, Interest::READABLE)?;
        Ok(Self { timer, expiries, at: None })
    }

    /// At `at`; never, where there is no such time.
    pub(super) fn set(&mut self, at: Option<Mono>) -> io::Result<()> {
        if at == self.at {
            return Ok(());
        }
        self.at = at;
        match at {
            // Zero would be never.
            Some(Mono(at)) => {
                let at = Expiration::OneShot(TimeSpec::from_duration(Duration::from_nanos(at.max(1))));
                self.timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            }
            None => self.timer.unset(),
        }
        .map_err(io::Error::from)
    }

    /// Waits until it is time.
    pub(super) async fn rings(&mut self) -> io::Result<()> {
        self.expiries.readable().await?.clear_ready();
        self.at = None;
        Ok(())
    }
}
