//! The sentence about a process that `status` shows.

use super::Process;
use super::states::ProcessState;

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A point in time, and what the clocks of this place showed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// How many seconds local time was before UTC.
    pub offset: i32,
}

/// What there is to say about the process at `now`.
pub fn description(process: &Process, now: i64) -> String {
    match process.state {
        ProcessState::Running => format!("pid {}, uptime {}", process.pid, uptime(now.saturating_sub(process.start))),
        ProcessState::Fatal | ProcessState::Backoff if process.spawn_error.is_empty() => {
            format!("unknown error (try \"tail {}\")", process.name.process)
        }
        ProcessState::Fatal | ProcessState::Backoff => process.spawn_error.clone(),
        // One that could never be spawned was never reaped.
        ProcessState::Stopped | ProcessState::Exited => {
            process.stop.map_or_else(|| "Not started".to_owned(), Stamp::month_to_minute)
        }
        ProcessState::Starting | ProcessState::Stopping | ProcessState::Unknown => String::new(),
    }
}

/// So many seconds as `H:MM:SS`, with days before it if there are any.
pub fn uptime(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let days = match seconds / DAY {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    format!("{days}{}:{:02}:{:02}", seconds % DAY / 3600, seconds / 60 % 60, seconds % 60)
}

impl Stamp {
    /// `Jan 02 03:04 PM`
    fn month_to_minute(self) -> String {
        let local = self.seconds.saturating_add(i64::from(self.offset));
        let (month, day) = date(local.div_euclid(DAY));
        let minutes = local.rem_euclid(DAY) / 60;
        let (hour, half) = (minutes / 60, if minutes < 720 { "AM" } else { "PM" });
        format!("{} {day:02} {:02}:{:02} {half}", MONTHS[month], (hour + 11) % 12 + 1, minutes % 60)
    }
}

/// The month (from 0) and the day (from 1) of a day counted from the first of 1970.
fn date(day: i64) -> (usize, i64) {
    // Years begin in March, so that the leap day is their last; 400 of them have always as many days.
    let in_era = (day + 719_468).rem_euclid(146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    ((month as usize + 2) % 12, in_year - (153 * month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisord::rpc::Name;
    use proptest::prelude::*;

    fn process(state: ProcessState) -> Process {
        Process {
            name: Name::new("g", "p"),
            priority: 999,
            state,
            pid: 5,
            start: 100,
            stop: None,
            exit_status: 0,
            spawn_error: String::new(),
            stdout_log: None,
            stderr_log: None,
        }
    }

    #[test]
    fn uptimes() {
        for (seconds, expected) in [
            (-5, "0:00:00"),
            (2, "0:00:02"),
            (36_061, "10:01:01"),
            (86_399, "23:59:59"),
            (86_400, "1 day, 0:00:00"),
            (2 * 86_400 + 3661, "2 days, 1:01:01"),
        ] {
            assert_eq!(uptime(seconds), expected);
        }
    }

    #[test]
    fn each_state_has_its_sentence() {
        assert_eq!(description(&process(ProcessState::Running), 102), "pid 5, uptime 0:00:02");
        assert_eq!(description(&process(ProcessState::Stopped), 102), "Not started");
        assert_eq!(description(&process(ProcessState::Starting), 102), "");
        assert_eq!(description(&process(ProcessState::Backoff), 102), "unknown error (try \"tail p\")");
        let failed = Process { spawn_error: "no".into(), ..process(ProcessState::Fatal) };
        assert_eq!(description(&failed, 102), "no");
    }

    #[test]
    fn times_of_a_stop_are_local() {
        let shown = |seconds, offset| {
            let stop = Some(Stamp { seconds, offset });
            description(&Process { stop, ..process(ProcessState::Exited) }, 0)
        };
        assert_eq!(shown(1_796_117_334, 0), "Dec 01 09:28 AM");
        assert_eq!(shown(1_796_117_334, 3 * 3600), "Dec 01 12:28 PM");
        assert_eq!(shown(1_796_117_334, -10 * 3600), "Nov 30 11:28 PM");
        assert_eq!(shown(951_782_400, 60), "Feb 29 12:01 AM");
        assert_eq!(shown(-1, 0), "Dec 31 11:59 PM");
    }

    proptest! {
        #[test]
        fn any_time_can_be_shown(seconds: i64, offset: i32) {
            Stamp { seconds, offset }.month_to_minute();
            uptime(seconds);
        }
    }
}
