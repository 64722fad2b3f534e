//! Where the output of a program goes, as supervisord's files say it.
//!
//! `AUTO` is abide's own log: where supervisord would make up a name, abide has a better place. Only where the other
//! stream has a file does it become one too, beside that log.

use crate::model::log_to::LogTo;
use crate::model::logging::{LogPolicy, LogWay, NamedFile, NamedFiles, StderrTo};
use crate::supervisord::{LogFile, Process, Stream};
use std::path::Path;

/// Keys that say more than abide does, and what becomes of them.
pub(super) type Unmet = Vec<(String, &'static str)>;

/// Puts on `policy` what the keys of `process` say. A relative path is one in `directory`.
pub(super) fn put_on(process: &Process, directory: &str, strip_ansi: bool, policy: &mut LogPolicy) -> Unmet {
    let (out, err) = (&process.stdout, &process.stderr);
    let merged = process.redirect_stderr;
    policy.stderr = if merged { StderrTo::Merge } else { StderrTo::Separate };
    let mut unmet = unmet("stdout", out);
    if !merged {
        unmet.extend(self::unmet("stderr", err));
    }
    // What nobody else takes is kept.
    let is_own = |stream: &Stream| match stream.logfile {
        LogFile::Auto => true,
        LogFile::Off => stream.syslog,
        LogFile::Path(_) => false,
    };
    if out.syslog && out.logfile == LogFile::Off {
        policy.way = Some(Box::new(shipped()));
        if !merged && err.logfile == LogFile::Off && !err.syslog {
            policy.stderr = StderrTo::Discard;
        } else if !merged && err.logfile != LogFile::Off {
            unmet.push(("stderr_logfile".to_owned(), "it goes to syslog with stdout, and into no file"));
        }
        return unmet;
    }
    if !merged && err.syslog && err.logfile == LogFile::Off {
        unmet.push(("stderr_syslog".to_owned(), "without stdout it does not go to syslog; it is in abide's own log"));
    }
    match () {
        () if is_own(out) && (merged || is_own(err)) => {
            let said = |key: &str| process.places.contains_key(key);
            if said("stdout_logfile_maxbytes") && out.maxbytes > 0 {
                policy.max_size = out.maxbytes.unsigned_abs().max(4096);
            }
            if said("stdout_logfile_backups") {
                policy.max_files = u32::try_from(out.backups.max(0)).unwrap_or(u32::MAX);
            }
        }
        () if is_own(out) && err.logfile == LogFile::Off => policy.stderr = StderrTo::Discard,
        () => {
            let file = |stream: &Stream, own| file(stream, own, directory, strip_ansi);
            let err = (!merged).then(|| file(err, "stderr")).flatten();
            policy.way = Some(Box::new(LogWay::Files(Box::new(NamedFiles { out: file(out, "stdout"), err }))));
        }
    }
    unmet
}

fn file(stream: &Stream, own: &str, directory: &str, strip_ansi: bool) -> Option<NamedFile> {
    let path = match &stream.logfile {
        LogFile::Off if !stream.syslog => return None,
        LogFile::Off | LogFile::Auto => own.to_owned(),
        LogFile::Path(path) => Path::new(directory).join(path).to_string_lossy().into_owned(),
    };
    Some(NamedFile {
        path,
        max_size: u64::try_from(stream.maxbytes).unwrap_or(0),
        backups: u32::try_from(stream.backups).unwrap_or(0),
        strip_ansi,
        in_our_directory: false,
    })
}

fn shipped() -> LogWay {
    let program = std::env::current_exe().unwrap_or_else(|_| "abide".into());
    let program = program.to_string_lossy().trim_end_matches(" (deleted)").replace('$', "$$");
    LogWay::Ship { to: LogTo::Syslog.to_string(), program }
}

fn unmet(channel: &str, stream: &Stream) -> Unmet {
    let has_file = stream.logfile != LogFile::Off;
    let all = [
        (stream.syslog && has_file, "syslog", "it goes to its file alone, and not to syslog too"),
        (stream.events_enabled, "events_enabled", "no listener is told of its output by this release"),
        (stream.capture_maxbytes > 0, "capture_maxbytes", "what stands between the marks stays in the log"),
    ];
    all.into_iter().filter(|it| it.0).map(|(_, key, what)| (format!("{channel}_{key}"), what)).collect()
}
