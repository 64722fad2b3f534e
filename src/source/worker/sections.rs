//! What the sections of supervisord's files last were, on disk: should one of them be broken when abide starts, it is still
//! known which services it is about.

use crate::source::{Known, Loaded};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file, in the state directory.
const FILE: &str = "sections.json";

/// Those of all files.
#[derive(Debug, Default)]
pub(super) struct Sections {
    /// `None`: where nothing is kept.
    path: Option<PathBuf>,
    files: BTreeMap<PathBuf, Known>,
}

impl Sections {
    /// Those on record in `state`, which may be none.
    pub(super) fn new(state: Option<&Path>) -> Self {
        let path = state.map(|state| state.join(FILE));
        let text = path.as_ref().and_then(|path| fs::read(path).ok());
        // A record that cannot be read is none: what is good now is written down again.
        let files = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, files }
    }

    /// Those of one file.
    pub(super) fn of(&self, file: &Path) -> Known {
        self.files.get(file).cloned().unwrap_or_default()
    }

    /// That file was found to hold this.
    pub(super) fn learn(&mut self, file: &Path, loaded: &Loaded) {
        let before = self.of(file);
        let mut now = Known::new();
        for (name, entry) in &loaded.entries {
            let program = entry.service.as_ref().and_then(|definition| definition.service.program.as_ref());
            let sections: Vec<String> = match program {
                Some(program) => vec![program.section.clone()],
                // One that is broken is about those that it was about.
                None => before.iter().filter(|(_, names)| names.contains(name)).map(|(it, _)| it.clone()).collect(),
            };
            for section in sections {
                now.entry(section).or_default().insert(name.clone());
            }
        }
        if now != before {
            self.files.insert(file.to_owned(), now);
            self.keep();
        }
    }

    /// The file has another name now: what its sections were it still knows, unless something is known of it already.
    /// Whether that is news.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let is_news = !self.files.contains_key(to);
        match self.files.remove(from).filter(|_| is_news) {
            Some(known) => {
                self.files.insert(to.to_owned(), known);
                self.keep();
                true
            }
            None => false,
        }
    }

    /// That file is gone.
    pub(super) fn forget(&mut self, file: &Path) {
        if self.files.remove(file).is_some() {
            self.keep();
        }
    }

    fn keep(&self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = write(path, &self.files) {
            let path = path.display();
            tracing::warn!(%path, %error, "cannot remember what sections of supervisord's files are about");
        }
    }
}

fn write(path: &Path, files: &BTreeMap<PathBuf, Known>) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, serde_json::to_vec(files)?)?;
    fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::ServiceName;
    use crate::model::program::Program;
    use crate::source::worker::tests::bench::load;
    use crate::source::{Material, Text};
    use std::collections::BTreeSet;
    use std::sync::Arc;

    fn entry(name: &str, section: Option<&str>) -> Loaded {
        let main = Text { path: "web.conf".into(), bytes: if section.is_some() { "good" } else { "bad" }.into() };
        let name = ServiceName::new(name).unwrap();
        let mut loaded = load("", &name, &Material::Toml { main, drop_ins: Vec::new() });
        let entry = &mut loaded.entries[0].1;
        if let Some((definition, section)) = entry.service.as_mut().zip(section) {
            let program = Program { section: section.to_owned(), ..Program::default() };
            Arc::make_mut(definition).service.program = Some(Box::new(program));
        }
        loaded
    }

    fn loaded(entries: &[(&str, Option<&str>)]) -> Loaded {
        let entries = entries.iter().flat_map(|(name, section)| entry(name, *section).entries).collect();
        Loaded { entries, problems: Vec::new() }
    }

    #[test]
    fn a_broken_section_is_about_what_it_was_about_also_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let file = Path::new("/services.d/web.conf");
        let names = |sections: &Sections, section: &str| -> Vec<String> {
            sections.of(file).get(section).iter().copied().flatten().map(ToString::to_string).collect()
        };
        let mut sections = Sections::new(Some(state.path()));
        sections.learn(file, &loaded(&[("a", Some("program:a")), ("b", Some("program:b"))]));
        sections.learn(file, &loaded(&[("a", None), ("b", Some("program:c"))]));
        let after = Sections::new(Some(state.path()));
        for sections in [&sections, &after] {
            assert_eq!(names(sections, "program:a"), ["a"]);
            assert_eq!(names(sections, "program:b"), [""; 0]);
            assert_eq!(names(sections, "program:c"), ["b"]);
        }
        sections.forget(file);
        assert_eq!(Sections::new(Some(state.path())).of(file), BTreeMap::<String, BTreeSet<ServiceName>>::new());
    }
}
