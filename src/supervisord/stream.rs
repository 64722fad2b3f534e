//! The keys of stdout and of stderr.

use super::keys::Keys;
use super::shape::{LogFile, Stream};
use super::values;

/// The two, and the names of their keys.
#[derive(Debug, Clone, Copy)]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

impl Channel {
    fn key(self, rest: &str) -> String {
        let name = match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        };
        format!("{name}_{rest}")
    }
}

/// Reads what is the same for all processes of a program.
pub(super) fn common(keys: &mut Keys<'_>, channel: Channel) -> Stream {
    Stream {
        logfile: LogFile::Auto,
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: keys.read(&channel.key("capture_maxbytes"), 0, values::byte_size),
        events_enabled: keys.read(&channel.key("events_enabled"), false, values::boolean),
        syslog: false,
    }
}

/// Reads what may differ from one process to the next. `gone`: it goes where another channel goes.
pub(super) fn rest(keys: &mut Keys<'_>, channel: Channel, stream: &mut Stream, gone: bool) {
    let key = channel.key("logfile");
    let around = keys.scene.around;
    let text = keys.text_twice(&key);
    let logfile = text.and_then(|text| keys.taken(&key, values::log_file(&text, around)));
    stream.backups = keys.read(&channel.key("logfile_backups"), 10, values::integer);
    stream.maxbytes = keys.read(&channel.key("logfile_maxbytes"), 50 << 20, values::byte_size);
    stream.syslog = keys.read(&channel.key("syslog"), false, values::boolean);
    let section = keys.section.name.clone();
    stream.logfile = logfile.unwrap_or(Some(LogFile::Auto)).unwrap_or_else(|| {
        stream.syslog = true;
        let instead = channel.key("syslog");
        keys.warn(&key, format!("For [{section}], {key}=syslog is deprecated: write {instead}=true instead"));
        LogFile::Off
    });
    if stream.logfile == LogFile::Auto && stream.maxbytes == 0 {
        let help = "set maxbytes > 0, or the filesystem fills up";
        keys.warn(&key, format!("For [{section}], AUTO logging used for {key} without rollover: {help}"));
    }
    if gone {
        if matches!(stream.logfile, LogFile::Path(_)) {
            keys.warn(&key, format!("For [{section}], {key} is ignored, as redirect_stderr=true"));
        }
        stream.logfile = LogFile::Off;
    }
}
