//! One section's values, expanded and read, with what is wrong with them.
//!
//! Each reading method keeps the fault and gives the default, so that all faults of a section are found at once.

use super::environment;
use super::expand::{self, Datum, Why};
use super::ini::Value;
use super::sections::{Findings, Scene, Section};
use super::values::Refusal;
use super::{Fault, Level, Note, expand::Names, quoted};
use std::collections::BTreeMap;
use std::ops::Range;

/// What all values of all processes may come to, bytes: more is a mistake, and would take all memory.
const MOST_EXPANDED: usize = 64 << 20;

/// The keys of a section, those of `[DEFAULT]` among them.
pub(super) struct Keys<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) section: &'a Section,
    /// What the names stand for, but for `here`.
    pub(super) names: Names,
    faults: Vec<Fault>,
    notes: Vec<Note>,
    /// Whether faults were given away.
    had_faults: bool,
}

impl<'a> Keys<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, section: &'a Section) -> Self {
        Self { scene, section, names: scene.names.clone(), faults: Vec::new(), notes: Vec::new(), had_faults: false }
    }

    /// Makes a name known.
    pub(super) fn know(&mut self, name: &str, text: &str) {
        self.names.insert(name.to_owned(), Datum::Text(text.to_owned()));
    }

    /// Makes `host_node_name` known.
    pub(super) fn know_host(&mut self) {
        self.know("host_node_name", self.scene.around.host());
    }

    /// Gives away what was found so far.
    pub(super) fn flush(&mut self, findings: &mut Findings) {
        self.had_faults |= !self.faults.is_empty();
        self.faults.drain(..).for_each(|fault| findings.fault(fault));
        self.notes.drain(..).for_each(|note| findings.note(note));
    }

    /// Gives away what was found. Whether there was no fault.
    pub(super) fn close(mut self, findings: &mut Findings) -> bool {
        self.flush(findings);
        self.is_good()
    }

    /// Whether there was no fault so far.
    pub(super) fn is_good(&self) -> bool {
        self.faults.is_empty() && !self.had_faults && !self.section.is_broken
    }

    /// The value of a key as it is written.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.section.keys.get(key).or_else(|| self.scene.defaults.get(key))
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The text of a key, expanded.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        self.expand(key, &value.text)
    }

    /// The text of a key, expanded twice.
    pub(super) fn text_twice(&mut self, key: &str) -> Option<String> {
        let once = self.text(key)?;
        self.expand(key, &once)
    }

    /// A key as what `kind` makes of it.
    pub(super) fn read<T>(&mut self, key: &str, default: T, kind: impl FnOnce(&str) -> Result<T, Refusal>) -> T {
        self.optional(key, kind).unwrap_or(default)
    }

    /// A key as what `kind` makes of it, if it is there.
    pub(super) fn optional<T>(&mut self, key: &str, kind: impl FnOnce(&str) -> Result<T, Refusal>) -> Option<T> {
        let text = self.text(key)?;
        self.taken(key, kind(&text))
    }

    /// What was read, or a fault about its key.
    pub(super) fn taken<T>(&mut self, key: &str, read: Result<T, Refusal>) -> Option<T> {
        read.map_err(|refusal| {
            let message = format!("{key}: {}", refusal.message);
            self.refuse(key, message, refusal.help);
        })
        .ok()
    }

    /// The variables in the expanded text of `environment`.
    pub(super) fn variables(&mut self, text: &str) -> BTreeMap<String, String> {
        environment::parse(text).unwrap_or_else(|unclear| {
            let span = self.part("environment", text, &unclear.at);
            let message = format!("environment: {}", unclear.message);
            self.fault(Some("environment"), span, message, unclear.help.to_owned());
            BTreeMap::new()
        })
    }

    /// A fault that the value of a key has.
    pub(super) fn refuse(&mut self, key: &str, message: String, help: impl Into<String>) {
        let place = self.value(key).map(|value| (value.file, value.span()));
        self.fault(Some(key), place, message, help.into());
    }

    /// The fault that a key is not there.
    pub(super) fn missing(&mut self, key: &str, help: &str) {
        let message = format!("[{}] has no value for {key}", self.section.name);
        self.fault(Some(key), None, message, help.to_owned());
    }

    /// A fault of the section as a whole.
    pub(super) fn refuse_section(&mut self, message: String, help: &str) {
        self.fault(None, None, message, help.to_owned());
    }

    /// What supervisord warns of.
    pub(super) fn warn(&mut self, key: &str, message: String) {
        let (file, span) = self.value(key).map_or_else(|| self.header(), |value| (value.file, value.span()));
        let (section, key) = (self.section.name.clone(), Some(key.to_owned()));
        self.notes.push(Note { level: Level::Warning, file, span, section, key, message });
    }

    /// `text`, which stands in `key`, with its names replaced.
    pub(super) fn expand(&mut self, key: &str, text: &str) -> Option<String> {
        let here = self.value(key).map_or(self.section.place.file, |value| value.file);
        self.know("here", &self.scene.sources[here].directory);
        let expanded =
            expand::expand(text, &self.names).map_err(|unclear| self.badly_formatted(key, text, unclear)).ok()?;
        self.spend(key, expanded.len()).then_some(expanded)
    }

    /// Whether so many bytes more are within what all values may come to.
    pub(super) fn spend(&mut self, key: &str, bytes: usize) -> bool {
        let all = self.scene.expanded.get().saturating_add(bytes);
        self.scene.expanded.set(all);
        if all > MOST_EXPANDED {
            let message = format!("{key}: all values together come to more than {MOST_EXPANDED} bytes");
            self.refuse(key, message, "write fewer processes, or shorter values");
        }
        all <= MOST_EXPANDED
    }

    fn badly_formatted(&mut self, key: &str, text: &str, unclear: expand::Unclear) {
        let place = self.part(key, text, &unclear.at);
        let full = format!("{}.{key}", self.section.name);
        let (message, help) = match unclear.why {
            Why::Unknown(name) => {
                let known: Vec<&str> = self.names.keys().map(String::as_str).collect();
                let known = known.join(", ");
                let message = format!(
                    "{} in {full} has a name that cannot be expanded here: {}. There are: {known}",
                    quoted(text),
                    quoted(&name),
                );
                (message, "use one of these names, or write %% for a percent sign")
            }
            Why::BadlyFormatted(why) => {
                let message = format!("{} in {full} is badly formatted: {why}", quoted(text));
                (message, "write %% for a percent sign, %(name)s for a name")
            }
        };
        self.fault(Some(key), place, message, help.to_owned());
    }

    /// Where the part `at` of what `key` says stands. Once it is expanded, only the whole of it is known.
    fn part(&self, key: &str, text: &str, at: &Range<usize>) -> Option<(usize, Range<usize>)> {
        let value = self.value(key)?;
        let span = if value.text == text { value.within(at) } else { value.span() };
        Some((value.file, span))
    }

    fn header(&self) -> (usize, Range<usize>) {
        (self.section.place.file, self.section.place.span.clone())
    }

    fn fault(&mut self, key: Option<&str>, place: Option<(usize, Range<usize>)>, mut message: String, help: String) {
        let (file, span) = place.unwrap_or_else(|| self.header());
        let section = self.section.name.clone();
        if ["program:", "fcgi-program:", "eventlistener:"].iter().any(|prefix| section.starts_with(prefix)) {
            let path = &self.scene.sources[self.section.place.file].path;
            message = format!("{message} in section {} (file: {})", quoted(&section), quoted(path));
        }
        self.faults.push(Fault { file, span, section, key: key.map(str::to_owned), message, help });
    }
}
