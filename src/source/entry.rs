//! The naming table: what one name in a watched directory is, by the name alone. Pure.
//!
//! What looks like a directory of daemontools may turn out to be something else: only a look at it
//! can tell, and that is the business of those who look.

use super::settle::Seen;
use crate::model::diagnostic::escaped;
use crate::model::guise::Guise;
use crate::model::name::{BadName, MAX_NAME, ServiceName};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What a name amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// `NAME.toml`.
    File(ServiceName),
    /// `NAME`: a service if it is a directory that holds `run`.
    Directory(ServiceName),
    /// `NAME.conf`, `NAME.ini`: programs of supervisord, as many as it says.
    Programs,
    /// `NAME.toml.d`, `NAME.conf.d`: drop-ins of that file.
    DropIns,
    /// Says how the directory's changes are to be taken.
    Control(Control),
    /// Debris and hidden names: as if they were not there.
    Ignored,
    /// Nothing to abide; named after a while, with this reason.
    Unknown(&'static str),
    /// Meant as a service file, with a name that can be none.
    Bad(BadName),
}

/// A file that is no service and says how changes are to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// `.abide-hold`: nothing that changes in the directory is acted on.
    Hold,
    /// `.abide-allow-removals`: its lines name services that may be removed, however many they are.
    AllowRemovals,
}

fn control(name: &[u8]) -> Option<Control> {
    match name {
        b".abide-hold" => Some(Control::Hold),
        b".abide-allow-removals" => Some(Control::AllowRemovals),
        _ => None,
    }
}

/// Endings of what editors, packagers and merges leave behind.
const DEBRIS: [&[u8]; 9] = [b"~", b".swp", b".swx", b".tmp", b".bak", b".orig", b".rej", b".save", b".rpmnew"];

/// Endings of supervisord's files.
const PROGRAMS: [&str; 2] = [".conf", ".ini"];

/// What `name` is in a watched directory.
pub fn naming(name: &OsStr) -> Naming {
    if let Some(control) = control(name.as_bytes()) {
        return Naming::Control(control);
    }
    if is_debris(name.as_bytes()) {
        return Naming::Ignored;
    }
    let Some(text) = name.to_str() else {
        let bytes = name.as_bytes();
        return if bytes.ends_with(b".toml") {
            Naming::Bad(BadName::Character(char::REPLACEMENT_CHARACTER))
        } else {
            Naming::Unknown("its name is not UTF-8")
        };
    };
    if let Some(stem) = text.strip_suffix(".toml") {
        return ServiceName::alone(stem).map_or_else(Naming::Bad, Naming::File);
    }
    if let Some(stem) = text.strip_suffix(".toml.d") {
        return ServiceName::alone(stem).map_or_else(Naming::Bad, |_| Naming::DropIns);
    }
    if PROGRAMS.iter().any(|ending| text.ends_with(ending)) {
        return Naming::Programs;
    }
    if text.strip_suffix(".d").is_some_and(|main| PROGRAMS.iter().any(|ending| main.ends_with(ending))) {
        return Naming::DropIns;
    }
    match ServiceName::alone(text) {
        Ok(name) => Naming::Directory(name),
        Err(_) => Naming::Unknown("it is neither NAME.toml nor a directory that could be a service"),
    }
}

/// What `name` is to an abide in that guise: a directory, unless it is hidden.
pub(super) fn naming_as(guise: Option<&Guise>, name: &OsStr) -> Naming {
    match guise {
        None => naming(name),
        Some(_) if name.as_bytes().starts_with(b".") => Naming::Ignored,
        Some(_) => likeness(name).map_or(Naming::Ignored, Naming::Directory),
    }
}

/// A name for the service of a directory that may be called anything.
pub(super) fn likeness(name: &OsStr) -> Option<ServiceName> {
    let text = name.to_string_lossy();
    if let Ok(name) = ServiceName::alone(&text) {
        return Some(name);
    }
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let like: String = "s.".chars().chain(text.chars().map(legal)).take(MAX_NAME).collect();
    ServiceName::new(&like).ok()
}

/// Whether what was seen of `name` in a watched directory can change anything: of debris nothing
/// does, and what is written into a file does where its content counts.
pub fn matters(name: &OsStr, seen: Seen) -> bool {
    match seen {
        _ if control(name.as_bytes()).is_some() => true,
        Seen::Written | Seen::Closed => is_drop_in(name) || naming(name) == Naming::Programs,
        _ => !is_debris(name.as_bytes()),
    }
}

/// Whether `name` is a drop-in within `NAME.toml.d`.
pub fn is_drop_in(name: &OsStr) -> bool {
    !is_debris(name.as_bytes()) && name.as_bytes().ends_with(b".toml")
}

/// A name as it can be shown on one line of any terminal.
pub fn shown(name: &OsStr) -> String {
    let chunks = name.as_bytes().utf8_chunks();
    chunks.map(|chunk| escaped(chunk.valid()) + &chunk.invalid().escape_ascii().to_string()).collect()
}

/// `NAME.toml` of `NAME.toml.d`, and the like.
pub(super) fn main_of(drop_ins: &OsStr) -> OsString {
    OsStr::from_bytes(drop_ins.as_bytes().strip_suffix(b".d").unwrap_or(drop_ins.as_bytes())).to_owned()
}

/// `NAME.toml.d` of `NAME.toml`, and the like.
pub(super) fn drop_ins_of(main: &OsStr) -> OsString {
    let mut folder = main.to_owned();
    folder.push(".d");
    folder
}

fn is_debris(name: &[u8]) -> bool {
    let hidden = matches!(name.first(), None | Some(b'.' | b'_' | b'#'));
    let packager = name.ends_with(b".rpmsave") || holds(name, b".dpkg-");
    hidden || packager || DEBRIS.iter().any(|ending| name.ends_with(ending)) || is_half_unpacked(name)
}

fn holds(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

/// `x;5f3c1a2b`: what rpm unpacks before it renames.
fn is_half_unpacked(name: &[u8]) -> bool {
    let Some(at) = name.iter().rposition(|&byte| byte == b';') else { return false };
    let hex = &name[at + 1..];
    !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).unwrap()
    }

    #[test]
    fn service_names_are_told_from_the_rest() {
        assert_eq!(naming(OsStr::new("web.toml")), Naming::File(name("web")));
        assert_eq!(naming(OsStr::new("web.toml.d")), Naming::DropIns);
        assert_eq!(naming(OsStr::new("web")), Naming::Directory(name("web")));
        assert_eq!(naming(OsStr::new("web.d")), Naming::Directory(name("web.d")));
        assert_eq!(naming(OsStr::new("web.conf")), Naming::Programs);
        assert_eq!(naming(OsStr::new("my programs.ini")), Naming::Programs);
        assert_eq!(naming(OsStr::new("web.conf.d")), Naming::DropIns);
        assert_eq!(naming(OsStr::new("conf.d")), Naming::Directory(name("conf.d")));
        assert!(matches!(naming(OsStr::new("-rf")), Naming::Unknown(_)));
    }

    #[test]
    fn files_that_say_how_changes_are_taken_are_known() {
        assert_eq!(naming(OsStr::new(".abide-hold")), Naming::Control(Control::Hold));
        assert_eq!(naming(OsStr::new(".abide-allow-removals")), Naming::Control(Control::AllowRemovals));
        assert_eq!(naming(OsStr::new(".abide-hold~")), Naming::Ignored);
        assert!(matters(OsStr::new(".abide-hold"), Seen::Closed));
    }

    #[test]
    fn to_svscan_all_that_is_not_hidden_is_a_directory() {
        let of = |text| naming_as(Some(&Guise::Svscan), OsStr::new(text));
        assert_eq!(of("web.toml"), Naming::Directory(name("web.toml")));
        assert_eq!(of(".web"), Naming::Ignored);
        assert_eq!(of("my service~"), Naming::Directory(name("s.my_service_")));
        assert_eq!(of("abide"), Naming::Directory(name("s.abide")));
    }

    #[test]
    fn debris_of_editors_and_packagers_is_ignored() {
        for debris in [
            "a.toml~",
            ".a.toml.swp",
            "#a.toml#",
            ".#a.toml",
            "a.toml.bak",
            "a.toml.orig",
            "a.toml.rej",
            "a.toml.save",
            "a.toml.tmp",
            "a.toml.rpmnew",
            "a.toml.rpmsave",
            "a.toml.dpkg-new",
            "a.toml.dpkg-dist",
            "a.toml;5f3c1a2b",
            ".a.toml.qiOMUh",
            "..data",
            "..2026_11_23",
            "_off.toml",
            "a.toml.12345.2026-11-23@10:00:00~",
        ] {
            assert_eq!(naming(OsStr::new(debris)), Naming::Ignored, "{debris}");
        }
        assert_ne!(naming(OsStr::new("a;b.toml")), Naming::Ignored);
    }

    #[test]
    fn names_that_can_be_none_are_errors_and_are_shown_escaped() {
        for bad in ["a b.toml", "-rf.toml", "a\nb.toml", "ü.toml", "abide.toml", &format!("{}.toml", "n".repeat(250))]
        {
            assert!(matches!(naming(OsStr::new(bad)), Naming::Bad(_)), "{bad}");
        }
        let raw = OsString::from_vec(b"\xff.toml".to_vec());
        assert!(matches!(naming(&raw), Naming::Bad(_)));
        assert_eq!(shown(&raw), "\\xff.toml");
        assert_eq!(shown(OsStr::new("a\nb\u{1b}ü")), "a\\nb\\u{1b}ü");
    }
}
