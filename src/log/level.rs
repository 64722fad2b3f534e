//! How bad a line says that it is, by the forms in common use. Pure.

use serde_json::Value;

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Each step of the way.
    Trace,
    /// For developers.
    Debug,
    /// What goes on.
    Info,
    /// What may become bad.
    Warn,
    /// What failed.
    Error,
    /// What ends all.
    Fatal,
}

/// So far from its beginning a line names its level.
const REACH: usize = 160;

impl Level {
    /// The level of that name, in whatever case; of its names the usual ones.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            "trace" | "verbose" => Self::Trace,
            "debug" | "dbg" => Self::Debug,
            "info" | "information" | "notice" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "err" | "severe" => Self::Error,
            "fatal" | "critical" | "crit" | "alert" | "emerg" | "emergency" | "panic" => Self::Fatal,
            _ => return None,
        })
    }

    /// What a line says of itself; `None`: nothing.
    pub fn of(line: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(&line[..line.len().min(REACH)]);
        if line.first() == Some(&b'{') {
            return serde_json::from_slice(line).ok().and_then(|value| Self::of_json(&value));
        }
        Self::of_syslog(&text).or_else(|| Self::of_klog(&text)).or_else(|| Self::of_words(&text))
    }

    fn of_json(value: &Value) -> Option<Self> {
        let level = ["level", "severity", "lvl", "loglevel", "log.level"].into_iter().find_map(|key| value.get(key))?;
        match level {
            Value::String(name) => Self::named(name),
            // As bunyan and pino count: 10 is trace, 60 is fatal.
            Value::Number(number) => Some(match number.as_u64()? {
                0..=10 => Self::Trace,
                11..=20 => Self::Debug,
                21..=30 => Self::Info,
                31..=40 => Self::Warn,
                41..=50 => Self::Error,
                _ => Self::Fatal,
            }),
            _ => None,
        }
    }

    /// `<3>failed`, as services write for the journal: RFC 5424, 6.2.1.
    fn of_syslog(text: &str) -> Option<Self> {
        let (number, _) = text.strip_prefix('<')?.split_once('>')?;
        let priority: u8 = number.parse().ok().filter(|number| *number < 192)?;
        Some(match priority & 7 {
            0..=2 => Self::Fatal,
            3 => Self::Error,
            4 => Self::Warn,
            5 | 6 => Self::Info,
            _ => Self::Debug,
        })
    }

    /// `E1122 05:14:02.004123 …`, as Kubernetes' and Google's own.
    fn of_klog(text: &str) -> Option<Self> {
        let (head, _) = text.split_once(' ')?;
        let (letter, day) = head.split_at_checked(1)?;
        let is_day = day.len() == 4 && day.bytes().all(|byte| byte.is_ascii_digit());
        let level = match letter {
            "I" => Self::Info,
            "W" => Self::Warn,
            "E" => Self::Error,
            "F" => Self::Fatal,
            _ => return None,
        };
        is_day.then_some(level)
    }

    /// `[error]`, `level=error`, or ERROR as a word of its own.
    fn of_words(text: &str) -> Option<Self> {
        let is_letter = |c: char| c.is_ascii_alphabetic();
        let mut rest = text;
        let mut before = None;
        while let Some(start) = rest.find(is_letter) {
            let end = rest[start..].find(|c| !is_letter(c)).map_or(rest.len(), |length| start + length);
            let word = &rest[start..end];
            let ahead = rest[..start].chars().next_back().or(before);
            let behind = rest[end..].chars().next();
            let joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '/'));
            let marked = ahead == Some('[') && behind == Some(']');
            let assigned = ahead.is_some_and(|c| matches!(c, '=' | '"'))
                && is_key(text, rest.as_ptr() as usize - text.as_ptr() as usize + start);
            let shouted = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
            if (marked || assigned || (shouted && !joined(ahead) && !joined(behind)))
                && let Some(level) = Self::named(word)
            {
                return Some(level);
            }
            before = word.chars().next_back();
            rest = &rest[end..];
        }
        None
    }
}

/// Whether what stands before `at` is `level=`, `lvl=`, or `severity=`.
fn is_key(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches('"');
    ["level=", "lvl=", "severity="].iter().any(|key| before.ends_with(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_in_common_use_are_understood() {
        for (line, level) in [
            ("{\"level\":\"error\",\"msg\":\"x\"}", Some(Level::Error)),
            ("{\"level\":50}", Some(Level::Error)),
            ("{\"severity\":\"NOTICE\"}", Some(Level::Info)),
            ("2026/11/22 05:14:02 [error] 42#0: *1 open() failed", Some(Level::Error)),
            ("[ERROR] it broke", Some(Level::Error)),
            ("time=2026 level=warn msg=\"an error\"", Some(Level::Warn)),
            ("lvl=\"debug\" msg=x", Some(Level::Debug)),
            ("2026-11-22 05:14:02 WARN  web: slow", Some(Level::Warn)),
            ("2026-11-22 05:14:02.123 UTC [42] FATAL:  no such role", Some(Level::Fatal)),
            ("WARNING:root:careful", Some(Level::Warn)),
            ("<3>failed", Some(Level::Error)),
            ("<30>daemon says", Some(Level::Info)),
            ("E1122 05:14:02.004123  7 main.go:3] boom", Some(Level::Error)),
            ("42:M 22 Nov 2026 * Ready to accept connections", None),
            ("an error of no importance", None),
            ("GET /ERROR/x", None),
            ("MY_ERROR_CODE is set", None),
            ("INFORMATIONAL", None),
            ("", None),
        ] {
            assert_eq!(Level::of(line.as_bytes()), level, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in prop::collection::vec(any::<u8>(), 0..200), text in "[A-Za-z=\\[\\]\"é<> 0-9]{0,60}") {
            let _ = (Level::of(&line), Level::of(text.as_bytes()));
        }
    }
}
