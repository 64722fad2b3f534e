//! Where output goes, if not to a file: `[log] to`.

use std::fmt;
use std::path::PathBuf;

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// To files of abide's.
    File,
    /// To the socket of systemd-journald, or to that of the instance that has this name.
    Journald(Option<String>),
    /// To the syslog daemon of the machine, at `/dev/log`, as syslog(3) does.
    Syslog,
    /// As RFC 5424 to another socket of the machine.
    SyslogAt(PathBuf),
    /// The same over TCP, each message with its length before it (RFC 6587, 3.4.1): host and port.
    SyslogTcp(String, u16),
}

impl LogTo {
    /// Reads `file`, `journald`, `journald:NAMESPACE`, `syslog`, `syslog:/PATH`, `syslog:HOST:PORT`. `None`: it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        let (way, place) = text.split_once(':').map_or((text, None), |(way, place)| (way, Some(place)));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match (way, place) {
            ("file", None) => Some(Self::File),
            ("journald", None) => Some(Self::Journald(None)),
            ("journald", Some(name)) if !name.is_empty() && name.chars().all(is_plain) => {
                Some(Self::Journald(Some(name.to_owned())))
            }
            ("syslog", None) => Some(Self::Syslog),
            ("syslog", Some(path)) if path.starts_with('/') => Some(Self::SyslogAt(path.into())),
            ("syslog", Some(place)) => {
                let (host, port) = place.rsplit_once(':').filter(|(host, _)| !host.is_empty())?;
                let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                Some(Self::SyslogTcp(host.to_owned(), port.parse().ok().filter(|port| *port > 0)?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for LogTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Journald(None) => f.write_str("journald"),
            Self::Journald(Some(namespace)) => write!(f, "journald:{namespace}"),
            Self::Syslog => f.write_str("syslog"),
            Self::SyslogAt(path) => write!(f, "syslog:{}", path.display()),
            Self::SyslogTcp(host, port) if host.contains(':') => write!(f, "syslog:[{host}]:{port}"),
            Self::SyslogTcp(host, port) => write!(f, "syslog:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_read_and_shown() {
        for text in [
            "file",
            "journald",
            "journald:app",
            "syslog",
            "syslog:/run/x",
            "syslog:logs.example:601",
            "syslog:[::1]:601",
        ] {
            assert_eq!(LogTo::parse(text).map(|to| to.to_string()).as_deref(), Some(text));
        }
        for none in
            ["", "files", "file:x", "journald:", "journald:a/b", "syslog:", "syslog:x", "syslog::1", "syslog:h:0"]
        {
            assert_eq!(LogTo::parse(none), None, "{none}");
        }
    }
}
