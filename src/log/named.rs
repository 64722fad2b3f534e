//! Log files by names of somebody's choice, as supervisord has them: `NAME`, `NAME.1`, `NAME.2`, the older the higher. Pure.

use super::rotate::{Form, LogFile};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether a file of that size is rotated now; 0: it never is.
pub fn is_full(size: u64, max_size: u64) -> bool {
    max_size > 0 && size >= max_size
}

/// What a rotated file is called; 0: the file itself.
pub fn numbered(name: &OsStr, number: u32) -> OsString {
    let mut numbered = name.to_owned();
    if number > 0 {
        numbered.push(format!(".{number}"));
    }
    numbered
}

/// The number of a rotated file of that `name`.
pub fn number_of(name: &OsStr, rotated: &OsStr) -> Option<u32> {
    let digits = rotated.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b".")?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number > 0)?;
    (numbered(name, number) == rotated).then_some(number)
}

/// Which number becomes which at a rotation, in that order. Files move up to the first number that is free: at most
/// `backups`, whose file is overwritten. So who goes on after a rotation that was cut off loses no file by that.
pub fn shifts(is_there: impl Fn(u32) -> bool, backups: u32) -> impl Iterator<Item = (u32, u32)> {
    let free = (1..=backups).find(|number| *number == backups || !is_there(*number)).unwrap_or(0);
    (1..=free).rev().map(|to| (to - 1, to))
}

/// How the files of one log are called, for who reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// `current`, and by the time at which they were rotated.
    Own,
    /// This, and by numbers, which change with each rotation.
    Numbered(OsString),
}

impl Names {
    /// Of the log whose newest file has that path.
    pub fn of(newest: &Path) -> Self {
        match newest.file_name() {
            Some(name) if name != LogFile::Current.name() => Self::Numbered(name.to_owned()),
            _ => Self::Own,
        }
    }

    /// The name of the newest.
    pub fn newest(&self) -> &OsStr {
        match self {
            Self::Own => OsStr::new(LogFile::Current.name()),
            Self::Numbered(name) => name,
        }
    }

    /// Where a rotated file stands in the order of age, and what it is; `None`: that is none of them.
    pub fn place(&self, name: &OsStr) -> Option<(i64, Form)> {
        match self {
            Self::Own => LogFile::Current.rotated_at(name.to_str()?),
            Self::Numbered(newest) => Some((-i64::from(number_of(newest, name)?), Form::Plain)),
        }
    }

    /// The name of the file that stands there.
    pub fn name(&self, place: i64, form: Form) -> OsString {
        match self {
            Self::Own => LogFile::Current.rotated(place, form).into(),
            Self::Numbered(newest) => numbered(newest, u32::try_from(-place).unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn names_are_told_apart() {
        let name = OsStr::new("web.log");
        assert_eq!(numbered(name, 10), "web.log.10");
        assert_eq!(number_of(name, OsStr::new("web.log.10")), Some(10));
        for none in ["web.log", "web.log.", "web.log.0", "web.log.01", "web.log.+1", "web.log.1.gz", "db.log.1"] {
            assert_eq!(number_of(name, OsStr::new(none)), None, "{none}");
        }
        assert_eq!(Names::of(Path::new("/log/web/current")), Names::Own);
        let names = Names::of(Path::new("/log/web.log"));
        assert_eq!(names.place(OsStr::new("web.log.2")), Some((-2, Form::Plain)));
        assert_eq!((names.newest(), names.name(-2, Form::Plain)), (name, "web.log.2".into()));
    }

    #[test]
    fn a_file_is_full_at_its_size_and_never_without_one() {
        assert!(is_full(10, 10) && !is_full(9, 10) && !is_full(u64::MAX, 0));
    }

    proptest! {
        #[test]
        fn files_stay_in_order_and_the_newest_are_kept_wherever_rotations_are_cut_off(
            backups in 1_u32..6,
            cuts in prop::collection::vec(0_usize..8, 1..40),
        ) {
            let mut files: BTreeMap<u32, usize> = BTreeMap::new();
            let mut whole = 0_u32;
            for (written, cut) in cuts.into_iter().enumerate() {
                files.entry(0).or_insert(written);
                let moves: Vec<_> = shifts(|number| files.contains_key(&number), backups).collect();
                whole = if cut >= moves.len() { whole + 1 } else { 0 };
                for (from, to) in moves.into_iter().take(cut) {
                    let file = files.remove(&from).unwrap();
                    files.insert(to, file);
                }
                let ages: Vec<usize> = files.values().copied().collect();
                prop_assert!(ages.is_sorted_by(|newer, older| newer > older), "{:?}", files);
                prop_assert!(files.keys().all(|number| *number <= backups));
                prop_assert!(files.len() as u32 >= whole.min(backups));
            }
        }

        #[test]
        fn only_what_stands_at_the_end_is_ever_overwritten(there in prop::collection::btree_set(1_u32..8, 0..8), backups in 0_u32..8) {
            let mut now = there.clone();
            now.insert(0);
            for (from, to) in shifts(|number| there.contains(&number), backups) {
                prop_assert!(now.remove(&from));
                prop_assert!(now.insert(to) || to == backups);
            }
            prop_assert!(backups == 0 || !now.contains(&0));
        }
    }
}
