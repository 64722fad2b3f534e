//! The kinds of values: text to what it means, or why it means nothing.

use super::quoted::quoted;
use super::{Around, Identity, LogFile, LogLevel, Owner, paths};

/// Why a value is refused, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) help: String,
}

type Kind<T> = Result<T, Refusal>;

fn refused<T>(text: &str, why: &str, help: &str) -> Kind<T> {
    Err(Refusal { message: format!("{} {why}", quoted(text)), help: help.to_owned() })
}

/// A number as Python reads it: blanks around it, a sign and single underscores between digits are allowed.
fn number(text: &str, base: u32) -> Option<i64> {
    let text = text.trim_matches(super::ini::is_space);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = match digits.get(..2) {
        Some("0o" | "0O") if base == 8 => digits[2..].strip_prefix('_').unwrap_or(&digits[2..]),
        _ => digits,
    };
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_digit(base));
    if !digits.split('_').all(plain) {
        return None;
    }
    let size = i64::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if negative { -size } else { size })
}

/// A whole number.
pub(super) fn integer(text: &str) -> Kind<i64> {
    let help = "write it in decimal digits, such as 10";
    number(text, 10).map_or_else(|| refused(text, "is not an integer", help), Ok)
}

/// Yes or no.
pub(super) fn boolean(text: &str) -> Kind<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => refused(text, "is not a boolean", "write true or false"),
    }
}

/// A number of bytes.
pub(super) fn byte_size(text: &str) -> Kind<i64> {
    let lower = text.to_lowercase();
    let suffixes = [("kb", 10), ("mb", 20), ("gb", 30)];
    let found = suffixes.into_iter().find_map(|(suffix, power)| Some((lower.strip_suffix(suffix)?, power)));
    let (digits, power) = found.unwrap_or((&lower, 0));
    let size = number(digits, 10).and_then(|size| size.checked_mul(1 << power));
    let help = "write a whole number, alone or with KB, MB or GB after it: 50MB";
    size.map_or_else(|| refused(text, "is not a size in bytes", help), Ok)
}

/// The bits of a mode or a mask.
pub(super) fn octal(text: &str) -> Kind<u32> {
    let bits = number(text, 8).and_then(|bits| u32::try_from(bits).ok());
    bits.map_or_else(|| refused(text, "is not an octal number", "write it in the digits 0 to 7, such as 022"), Ok)
}

/// The number of a signal.
pub(super) fn signal(text: &str) -> Kind<i32> {
    let known = |number: i64| (0..=31).contains(&number) || number == 34 || number == 64;
    let upper = text.trim_matches(super::ini::is_space).to_uppercase();
    let number = match number(text, 10) {
        Some(number) => Some(number).filter(|&number| known(number)).map(|number| number as i32),
        None => signal_number(upper.strip_prefix("SIG").unwrap_or(&upper)),
    };
    number.map_or_else(|| refused(text, "is not a signal", "write a name such as TERM, HUP or INT, or a number"), Ok)
}

fn signal_number(name: &str) -> Option<i32> {
    const NAMES: [&str; 32] = [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    match name {
        "" => None,
        "IOT" => Some(6),
        "CLD" => Some(17),
        "POLL" => Some(29),
        "RTMIN" => Some(34),
        "RTMAX" => Some(64),
        _ => NAMES.iter().position(|known| *known == name).map(|number| number as i32),
    }
}

/// The exit codes that are expected; none at all if the text is empty.
pub(super) fn exit_codes(text: &str) -> Kind<Vec<u8>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let code = |text| number(text, 10).and_then(|code| u8::try_from(code).ok());
    let codes: Option<Vec<u8>> = text.split(',').map(code).collect();
    let help = "write numbers from 0 to 255 with commas between them";
    codes.map_or_else(|| refused(text, "is not a list of exit codes", help), Ok)
}

/// What stands between the commas, without the blanks around it.
pub(super) fn list(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim_matches(super::ini::is_space).to_owned()).collect()
}

/// How much the main log has.
pub(super) fn log_level(text: &str) -> Kind<LogLevel> {
    Ok(match text.to_lowercase().as_str() {
        "critical" => LogLevel::Critical,
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        "blather" => LogLevel::Blather,
        _ => {
            let help = "write critical, error, warn, info, debug, trace or blather";
            return refused(text, "is not a log level", help);
        }
    })
}

/// The name of a program, a process or a group.
pub(super) fn name(text: &str) -> Kind<String> {
    let name = text.trim_matches(super::ini::is_space);
    match [' ', ':', '/'].into_iter().find(|&c| name.contains(c)) {
        None => Ok(name.to_owned()),
        Some(c) => {
            let message = format!("{} cannot be a name, as it has {} in it", quoted(name), quoted(&c.to_string()));
            Err(Refusal { message, help: "write a name without blanks, ':' and '/'".to_owned() })
        }
    }
}

/// A directory that exists.
pub(super) fn directory(text: &str, around: &dyn Around) -> Kind<String> {
    let path = paths::expand_user(text, around);
    if around.is_directory(&path) {
        return Ok(path);
    }
    refused(&path, "is not an existing directory", "create it, or name another")
}

/// A path whose directory exists. A bare name is one.
pub(super) fn path(text: &str, around: &dyn Around) -> Kind<String> {
    let path = paths::expand_user(text, around);
    let parent = paths::parent(&path);
    if parent.is_empty() || around.is_directory(parent) {
        return Ok(path);
    }
    refused(&path, "is in a directory that does not exist", &format!("create {}, or name another path", quoted(parent)))
}

/// Where a log goes; nothing for the old word `syslog`.
pub(super) fn log_file(text: &str, around: &dyn Around) -> Kind<Option<LogFile>> {
    match text.to_lowercase().as_str() {
        "none" | "off" => Ok(Some(LogFile::Off)),
        "auto" => Ok(Some(LogFile::Auto)),
        "syslog" => Ok(None),
        _ => path(text, around).map(|path| Some(LogFile::Path(path))),
    }
}

/// A user that exists, by name or by number.
pub(super) fn user(text: &str, around: &dyn Around) -> Kind<Identity> {
    let key = number(text, 10).map_or_else(|| text.to_owned(), |uid| uid.to_string());
    let help = "name a user of this machine, or create it";
    let found = around.user(&key).map(|(uid, gid)| Identity { uid, gid });
    found.map_or_else(|| refused(text, "is not a user of this machine", help), Ok)
}

/// `user` or `user:group`.
pub(super) fn owner(text: &str, around: &dyn Around) -> Kind<Owner> {
    let Some((name, group)) = text.split_once(':') else {
        return user(text, around).map(|user| Owner { uid: user.uid, gid: None });
    };
    let uid = user(name, around)?.uid;
    let key = number(group, 10).map_or_else(|| group.to_owned(), |gid| gid.to_string());
    let help = "name a group of this machine, or create it";
    let gid = around.group(&key).map_or_else(|| refused(group, "is not a group of this machine", help), Ok)?;
    Ok(Owner { uid, gid: Some(gid) })
}

/// Where a client finds its server. What is no URL is found out by who connects there, as with the reference.
pub(super) fn url(text: &str, around: &dyn Around) -> String {
    text.strip_prefix("unix://")
        .map_or_else(|| text.to_owned(), |path| format!("unix://{}", paths::normal(path, around)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let good = [("1", 1), (" -12 ", -12), ("+3", 3), ("010", 10), ("1_000", 1000)];
        for (text, number) in good {
            assert_eq!(integer(text), Ok(number), "{text}");
        }
        for text in ["", "1__0", "_1", "1_", "0x1", "1.0", "- 1", "--1", "99999999999999999999"] {
            assert!(integer(text).is_err(), "{text}");
        }
        assert_eq!(["022", "0770", "0o22", "0O_2"].map(|text| octal(text).unwrap()), [0o22, 0o770, 0o22, 2]);
        assert!(["", "8", "-1", "0o"].into_iter().all(|text| octal(text).is_err()));
    }

    #[test]
    fn sizes() {
        let good = [("0", 0), ("1KB", 1 << 10), ("2 mb", 2 << 20), ("3Gb", 3 << 30), ("-1KB", -1024)];
        for (text, size) in good {
            assert_eq!(byte_size(text), Ok(size), "{text}");
        }
        assert!(["", "1K", "1.5MB", "KB", "9999999999999GB"].into_iter().all(|text| byte_size(text).is_err()));
    }

    #[test]
    fn signals_and_exit_codes() {
        assert_eq!(["term", "SIGHUP", "9", "SigUsr2"].map(|text| signal(text).unwrap()), [15, 1, 9, 12]);
        assert!(["", "SIG", "33", "FOO", "-1"].into_iter().all(|text| signal(text).is_err()));
        assert_eq!(exit_codes("0, 2 ,255"), Ok(vec![0, 2, 255]));
        assert_eq!(exit_codes(""), Ok(Vec::new()));
        assert!(exit_codes("256").unwrap_err().message.contains("exit codes"));
        assert!(["0,", "-1", "a"].into_iter().all(|text| exit_codes(text).is_err()));
    }

    #[test]
    fn names() {
        assert_eq!(name(" x "), Ok("x".to_owned()));
        for (text, c) in [("a b", "' '"), ("a:b", "':'"), ("a/b", "'/'")] {
            let message = name(text).unwrap_err().message;
            assert!(message.contains(text) && message.contains(c), "{message}");
        }
    }
}
