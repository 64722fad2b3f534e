//! Where the output goes: abide's logger writes one file for each instance, `NAME/current`, beside the one that supervisord
//! wrote where that can be.

use super::Job;
use crate::import::draft::{Draft, list, string};
use crate::model::units;
use crate::supervisord::{LogFile, Stream};

/// No log is rotated at fewer bytes.
const LEAST: i64 = 4096;
/// As good as never.
const NEVER: u64 = 1 << 60;
/// The most rotated files that are kept.
const MOST_FILES: i64 = 100_000;
/// Directories where everybody may lay something in the way.
const SHARED: [&str; 2] = ["/tmp", "/var/tmp"];

/// What is kept of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Neither.
    Nothing,
    /// Stdout alone, or both in one file as they come.
    One { with_stderr: bool },
    /// Both, each in a file of its own.
    Two,
}

/// `[log]`.
pub(super) fn log(job: &mut Job<'_>, draft: &mut Draft) {
    let (out, err) = (&job.process.stdout, &job.process.stderr);
    draft.table("log");
    events(job);
    let is_one_file = matches!(out.logfile, LogFile::Path(_)) && out.logfile == err.logfile;
    let with_stderr = job.process.redirect_stderr || is_one_file;
    let kept = match (is_kept(out), is_kept(err)) {
        (false, false) => Kept::Nothing,
        (true, false) => Kept::One { with_stderr },
        _ if with_stderr => Kept::One { with_stderr },
        _ => Kept::Two,
    };
    if kept == Kept::Nothing {
        draft.comment("as NONE of supervisord: nothing is kept");
        return draft.key("exclude", list(&[String::new()]));
    }
    if job.reading.daemon.as_ref().is_some_and(|daemon| daemon.strip_ansi) {
        draft.key("ansi", string("strip"));
    }
    if out.logfile == LogFile::Off && err.logfile == LogFile::Off {
        syslog(job, draft, kept);
    } else {
        files(job, draft, kept);
    }
}

fn is_kept(stream: &Stream) -> bool {
    stream.logfile != LogFile::Off || stream.syslog
}

/// The keys of supervisord's events.
fn events(job: &mut Job<'_>) {
    for (name, stream) in [("stdout", &job.process.stdout), ("stderr", &job.process.stderr)] {
        if stream.capture_maxbytes > 0 {
            job.remark(&format!("{name}_capture_maxbytes"), "no events are made of output; it is all in the log");
        }
        if stream.events_enabled {
            job.remark(&format!("{name}_events_enabled"), "no events are made of output");
        }
    }
}

fn syslog(job: &mut Job<'_>, draft: &mut Draft, kept: Kept) {
    draft.key("to", string("syslog"));
    match kept {
        Kept::One { with_stderr: false } => draft.key("stderr", string("discard")),
        Kept::Two if !job.process.stdout.syslog => job.remark("stdout_logfile", "it goes to syslog as stderr does"),
        _ => {}
    }
}

fn files(job: &mut Job<'_>, draft: &mut Draft, kept: Kept) {
    let (out, err) = (&job.process.stdout, &job.process.stderr);
    let is_of_err = out.logfile == LogFile::Off;
    let (key, of) = if is_of_err { ("stderr", err) } else { ("stdout", out) };
    match kept {
        Kept::Two => {
            draft.comment("stdout and stderr had a file each: in the one of both each line says which it is of");
            draft.key("stderr", string("separate"));
        }
        Kept::One { with_stderr } => {
            draft.key("format", string("plain"));
            if !with_stderr {
                draft.key("stderr", string("discard"));
            }
        }
        Kept::Nothing => {}
    }
    place(job, draft, key, &of.logfile);
    sizes(job, draft, key, of);
    if kept == Kept::Two {
        beside(job, is_of_err, err);
    }
    for (name, stream) in [("stdout", out), ("stderr", err)] {
        if stream.syslog {
            job.remark(&format!("{name}_syslog"), "output goes to one place: here to the file");
        }
    }
}

/// `log.directory`.
fn place(job: &mut Job<'_>, draft: &mut Draft, channel: &str, file: &LogFile) {
    let key = format!("{channel}_logfile");
    let LogFile::Path(path) = file else {
        if job.said(&key) {
            job.remark(&key, "it goes to `NAME/current` in the log directory of abide");
        }
        return;
    };
    let path = job.absolute(path);
    let (parent, own) = path.rsplit_once('/').unwrap_or(("", &path));
    let has_no_files = ["/dev/", "/proc/"].iter().any(|place| path.starts_with(place));
    // Where a file has the name of the service, no directory can.
    if parent.is_empty() || own == job.unit.name || has_no_files || SHARED.contains(&parent) {
        return job.remark(&key, format!("in place of {path} it goes to `NAME/current` in the log directory of abide"));
    }
    draft.key("directory", string(parent));
    let of_instance = if job.unit.count > 1 { "@NUMBER" } else { "" };
    job.remark(&key, format!("in place of {path} it goes to {parent}/{}{of_instance}/current", job.unit.name));
}

/// `log.max_size` and `log.max_files`.
fn sizes(job: &mut Job<'_>, draft: &mut Draft, channel: &str, stream: &Stream) {
    let is_special = matches!(&stream.logfile, LogFile::Path(path) if path.starts_with("/dev/"));
    if stream.maxbytes > 0 && stream.maxbytes < LEAST {
        job.remark(&format!("{channel}_logfile_maxbytes"), "no log is rotated below 4 KiB");
    }
    match u64::try_from(stream.maxbytes.max(LEAST)) {
        // What cannot be rotated says so by 0; a file in its place can.
        _ if stream.maxbytes <= 0 && is_special => return,
        Ok(bytes) if stream.maxbytes > 0 => draft.key("max_size", string(&units::size(bytes))),
        _ => {
            draft.comment("it is never rotated");
            draft.key("max_size", string(&units::size(NEVER)));
        }
    }
    draft.key("max_files", stream.backups.clamp(0, MOST_FILES));
    draft.key("compress", string("none"));
}

/// What is said of stderr where one file has both.
fn beside(job: &mut Job<'_>, is_of_err: bool, err: &Stream) {
    let out = &job.process.stdout;
    if is_of_err {
        return job.remark("stdout_logfile", "stdout alone cannot be thrown away: it is in the log of stderr");
    }
    if job.said("stderr_logfile") {
        job.remark("stderr_logfile", "stderr is in the log of stdout, its lines marked");
    }
    if (out.maxbytes, out.backups) != (err.maxbytes, err.backups) {
        for key in ["stderr_logfile_maxbytes", "stderr_logfile_backups"] {
            if job.said(key) {
                job.remark(key, "the one log has the size and the number of stdout's");
            }
        }
    }
}
