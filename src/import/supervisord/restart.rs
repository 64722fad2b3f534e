//! When a program is started again, when it counts as started, and how it is stopped.

use super::Job;
use crate::import::draft::{Draft, string};
use crate::model::signal::Signal;
use crate::model::units;
use crate::supervisord::Autorestart;
use std::time::Duration;

/// With more tries than these nobody waits for the last one: such a program is never given up.
const MOST_RETRIES: u64 = 1000;
/// No service waits longer than this for the next try.
const LONGEST_PAUSE: u64 = 60;
/// What starts and ends may take on a busy machine, in all.
const SLACK: u64 = 2;
/// No duration of a service file is longer.
const CENTURY: u64 = 36_500 * 24 * 60 * 60;

/// `[restart]` and `[ready]`.
pub(super) fn restart(job: &mut Job<'_>, draft: &mut Draft) {
    let (start, retries) = (whole(job.process.startsecs), whole(job.process.startretries));
    draft.table("restart");
    when(job, draft);
    if job.process.autorestart == Autorestart::Never {
        if start > 0 && retries > 0 && (job.said("startretries") || job.said("startsecs")) {
            job.remark("startretries", "where nothing is restarted, a start that failed is not tried again either");
        }
    } else if start == 0 {
        draft.comment("as supervisord with startsecs = 0: at once, without end");
        pauses(draft, "100ms", "100ms", "100ms");
    } else {
        let most = retries.clamp(1, LONGEST_PAUSE);
        draft.comment("as supervisord: a second more from try to try, and at once where it was up");
        pauses(draft, "1s", &seconds(most), &seconds(start));
        give_up(job, draft, start, retries);
    }
    if start > 0 {
        draft.table("ready");
        draft.key("delay", string(&seconds(start.min(CENTURY / 2))));
    }
}

/// `restart.policy` and `restart.success`.
fn when(job: &mut Job<'_>, draft: &mut Draft) {
    let codes = job.process.exitcodes.clone();
    let policy = match job.process.autorestart {
        Autorestart::Never => "never",
        Autorestart::Unexpected if !codes.is_empty() => "on-failure",
        Autorestart::Unexpected | Autorestart::Always => "always",
    };
    draft.key("policy", string(policy));
    let others: Vec<String> = codes.iter().filter(|code| **code != 0).map(u8::to_string).collect();
    if !others.is_empty() {
        draft.key("success", format!("[{}]", others.join(", ")));
    }
    if policy == "on-failure" && !codes.contains(&0) {
        job.remark("exitcodes", "0 is not among them, but is a success here: it is not restarted after that");
    }
}

fn pauses(draft: &mut Draft, delay: &str, longest: &str, good: &str) {
    draft.key("delay", string(delay));
    draft.key("max_delay", string(longest));
    draft.key("jitter", 0);
    draft.key("reset_after", string(good));
}

/// `restart.limit`: so many tries in a row, in as long as they take at most.
fn give_up(job: &mut Job<'_>, draft: &mut Draft, start: u64, retries: u64) {
    if retries > MOST_RETRIES {
        return job.remark("startretries", "it is never given up here");
    }
    if retries == 0 {
        job.remark("startretries", "0 cannot be said: a start that failed is tried once more");
    }
    let count = retries.max(1);
    let longest = count.min(LONGEST_PAUSE);
    // From the first restart to the last end, and no longer: what was up and fell is not meant.
    let pauses: u64 = (1..count).map(|n| longest.min(1 << n.min(32))).sum();
    let window = start.saturating_mul(count).saturating_add(pauses + SLACK).min(CENTURY);
    draft.key("limit", format!("{{ count = {count}, window = {} }}", string(&seconds(window))));
}

/// `[stop]`.
pub(super) fn stop(job: &mut Job<'_>, draft: &mut Draft) {
    let process = job.process;
    draft.table("stop");
    match Signal::from_number(process.stopsignal) {
        Some(signal) => draft.key("signal", string(&signal.name())),
        None => job.remark("stopsignal", "it is no signal that ends anything; TERM is sent"),
    }
    draft.key("timeout", string(&seconds(whole(process.stopwaitsecs))));
    draft.key("scope", string(if process.stopasgroup { "group" } else { "process" }));
    if process.killasgroup && !process.stopasgroup {
        job.remark("killasgroup", "KILL reaches what the signal reaches, here the one process");
    }
}

/// A number of seconds; less than none is none.
fn whole(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0).min(CENTURY)
}

fn seconds(count: u64) -> String {
    units::duration(Duration::from_secs(count))
}
