//! Paths with `*`, `?` and `[…]`: what `[reload] watch` names, and which files that is now. A name
//! that begins with a dot is matched by one that says the dot, as in a shell.

use super::open::{Directory, OpenError, OpenFile};
use super::root::{last_step, nearest};
use super::scan::list;
use super::trust::Trust;
use super::watch::{Want, Which};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// More directories or files than these are not followed: a pattern that means them is a mistake.
const MANY: usize = 1_000;

/// One pattern, absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    ways: Vec<Step>,
    last: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Name(OsString),
    Like(glob::Pattern),
}

impl Step {
    /// A name that is no pattern, or would be a broken one, is meant as it stands.
    fn parse(name: &OsStr) -> Self {
        let text = name.to_string_lossy();
        let is_pattern = text.contains(['*', '?', '[']);
        // `**` is a word of the crate's own, for any depth; here it says no more than `*`.
        let mut text = text.into_owned();
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        match glob::Pattern::new(&text) {
            Ok(pattern) if is_pattern => Self::Like(pattern),
            _ => Self::Name(name.to_owned()),
        }
    }
}

/// Whether the pattern of a name matches it.
pub(super) fn matches(pattern: &glob::Pattern, name: &OsStr) -> bool {
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    pattern.matches_with(&name.to_string_lossy(), options)
}

/// What a pattern means at the moment.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// The files by the path that the pattern gives them, or why one cannot be opened.
    pub(super) files: BTreeMap<PathBuf, Result<OpenFile, OpenError>>,
    /// What one must watch to see that change.
    pub(super) wants: Vec<Want>,
    /// There are more than are followed.
    pub(super) is_cut: bool,
    /// A directory that is there and could not be looked into, and why.
    pub(super) blind: Option<(PathBuf, String)>,
}

impl Pattern {
    /// Reads one; relative to `directory`. `None`: it names nothing.
    pub(super) fn parse(text: &str, directory: &Path) -> Option<Self> {
        let path = directory.join(text);
        let mut steps: Vec<Step> = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => steps.push(Step::parse(name)),
                Component::ParentDir => steps.push(Step::Name("..".into())),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        let last = steps.pop()?;
        Some(Self { ways: steps, last })
    }

    /// Whether a file of that path is one of those that it means.
    pub(super) fn means(&self, path: &Path) -> bool {
        let mut names = path.components().skip_while(|component| *component == Component::RootDir);
        let means = |step: &Step| match (step, names.next()) {
            (Step::Name(own), Some(name)) => own == name.as_os_str(),
            (Step::Like(pattern), Some(name)) => matches(pattern, name.as_os_str()),
            (_, None) => false,
        };
        self.ways.iter().chain([&self.last]).all(means) && names.next().is_none()
    }

    /// Looks for the files that it means.
    pub(super) fn look(&self, trust: &Trust, sight: &mut Sight) {
        let mut places = vec![PathBuf::from("/")];
        for step in &self.ways {
            match step {
                Step::Name(name) => places.iter_mut().for_each(|place| place.push(name)),
                Step::Like(pattern) => {
                    let inner = places.iter().flat_map(|place| {
                        let names = open(place, trust, sight).map_or(Vec::new(), |it| names(&it, pattern, sight));
                        names.into_iter().map(|name| place.join(name)).collect::<Vec<_>>()
                    });
                    places = inner.collect();
                }
            }
            sight.is_cut |= places.len() > MANY;
            places.truncate(MANY);
        }
        for place in places {
            let Some(directory) = open(&place, trust, sight) else { continue };
            let names = match &self.last {
                Step::Like(pattern) => names(&directory, pattern, sight),
                Step::Name(name) => {
                    sight.wants.push((directory.path.clone(), Which::One(name.clone())));
                    vec![name.clone()]
                }
            };
            for name in names {
                if sight.files.len() >= MANY {
                    sight.is_cut = true;
                    return;
                }
                let found = directory.file(&name, trust);
                sight.mark_way(&directory, &name, &found);
                sight.files.insert(place.join(name), found);
            }
        }
    }
}

/// A directory on the way, or where it is missing, what may bring it.
fn open(place: &Path, trust: &Trust, sight: &mut Sight) -> Option<Directory> {
    let directory = match Directory::open(place, trust) {
        Ok(directory) => directory,
        Err(error) => {
            sight.wants.extend(nearest(place));
            if !matches!(error, OpenError::Absent | OpenError::Dangling(_) | OpenError::NotADirectory(_)) {
                sight.blind.get_or_insert_with(|| (place.to_owned(), error.to_string()));
            }
            return None;
        }
    };
    let links = directory.links.iter().map(|link| (link.directory.clone(), Which::One(link.name.clone())));
    sight.wants.extend(links.chain(last_step(&directory.path)));
    Some(directory)
}

fn names(directory: &Directory, pattern: &glob::Pattern, sight: &mut Sight) -> Vec<OsString> {
    sight.wants.push((directory.path.clone(), Which::Like(pattern.clone())));
    let mut names = list(directory).unwrap_or_else(|errno| {
        sight.blind.get_or_insert_with(|| (directory.path.clone(), errno.desc().to_owned()));
        Vec::new()
    });
    names.retain(|name| matches(pattern, name));
    names.sort();
    names
}

impl Sight {
    /// The links that lead to a file, or the place where the end of one that dangles may appear.
    fn mark_way(&mut self, directory: &Directory, name: &OsStr, found: &Result<OpenFile, OpenError>) {
        match found {
            Ok(file) => {
                let links = file.links.iter().map(|link| (link.directory.clone(), Which::One(link.name.clone())));
                self.wants.extend(links);
            }
            Err(OpenError::Dangling(_)) => {
                let target = std::fs::read_link(directory.path.join(name)).unwrap_or_default();
                self.wants.extend(nearest(&directory.path.join(target)));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, name: &str) -> bool {
        match Step::parse(OsStr::new(pattern)) {
            Step::Like(pattern) => matches(&pattern, OsStr::new(name)),
            Step::Name(own) => own == name,
        }
    }

    #[test]
    fn names_match_as_in_a_shell() {
        let cases = [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            ("*.conf", "a.conf~", false),
            (".*", ".a", true),
            ("?.conf", "ab.conf", false),
            ("[a-c].conf", "b.conf", true),
            ("[!a-c].conf", "b.conf", false),
            ("a**b", "axb", true),
            ("plain", "plain", true),
            ("[broken", "[broken", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matched(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_is_relative_to_the_directory_unless_it_begins_at_the_root() {
        let parsed = |text| Pattern::parse(text, Path::new("/srv/web"));
        assert_eq!(parsed("conf/./x"), parsed("/srv/web/conf/x"));
        assert_ne!(parsed("../x"), parsed("x"));
        assert_eq!(Pattern::parse("/", Path::new("/srv")), None);
        let means = |text: &str, path: &str| Pattern::parse(text, Path::new("/srv")).unwrap().means(Path::new(path));
        assert!(means("*.d/x", "/srv/a.d/x") && means("../x", "/srv/../x"));
        assert!(!means("*.d/x", "/srv/a.d/y") && !means("x", "/srv/x/y") && !means("x/y", "/srv/x"));
    }
}
