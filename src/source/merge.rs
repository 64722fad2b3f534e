//! Layers of one service: defaults under the file under its drop-ins, and where each value stands.
//!
//! Pure. Tables are merged key by key, all else is replaced; a finding about the result still points
//! into the file that said it.

use super::toml::escapes::raw_offset;
use super::toml::reader::{Layer, Value as _};
use super::toml::shape::ServiceFile;
use crate::model::diagnostic::{Code, Diagnostic, Place, Severity};
use std::ops::Range;
use std::path::Path;

/// The layers, lowest first, and what they say together.
pub(super) struct Stack<'a> {
    /// The service's own file: what no layer says is missing there.
    main: &'a Path,
    layers: Vec<&'a Layer<ServiceFile>>,
}

impl<'a> Stack<'a> {
    pub(super) fn new(main: &'a Path, layers: Vec<&'a Layer<ServiceFile>>) -> Self {
        Self { main, layers }
    }

    /// The service's own file.
    pub(super) fn main(&self) -> &'a Path {
        self.main
    }

    /// What all of them say: the higher ones over the lower ones.
    pub(super) fn merged(&self) -> ServiceFile {
        let over = |under, layer: &&Layer<ServiceFile>| layer.file.clone().over(under);
        self.layers.iter().fold(ServiceFile::default(), over)
    }

    /// Whether any of them names `path`, with a good value or a bad one.
    pub(super) fn names(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The highest layer that names `path`.
    fn find(&self, path: &str) -> Option<(&'a Layer<ServiceFile>, Range<usize>)> {
        self.layers.iter().rev().find_map(|layer| Some((*layer, layer.places.get(path)?.clone())))
    }

    /// An error about the value of `path`; of what holds it, if that has no place of its own.
    pub(super) fn error(&self, path: &str, code: Code, message: impl Into<String>) -> Diagnostic {
        match self.located(path) {
            Some((layer, span)) => layer.finding(span, code, message),
            None => Diagnostic::error(self.main, code, message),
        }
    }

    /// A warning about the value of `path`.
    pub(super) fn warning(&self, path: &str, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..self.error(path, code, message) }
    }

    /// An error about what stands at the byte `at` of the string that is the value of `path`, `length` bytes long.
    pub(super) fn error_within(&self, path: &str, within: Range<usize>, code: Code, message: String) -> Diagnostic {
        let Some((layer, span)) = self.located(path) else { return Diagnostic::error(self.main, code, message) };
        let raw = &layer.text[span.clone()];
        let (start, end) = (raw_offset(raw, within.start), raw_offset(raw, within.end));
        let marked = if start == 0 || end <= start { span } else { span.start + start..span.start + end };
        Diagnostic::error(&layer.path, code, message).at(Place::of(&layer.text, marked))
    }

    /// The place of `path`, or of the nearest table or list around it. An element belongs to the
    /// layer that its whole list is taken from.
    fn located(&self, path: &str) -> Option<(&'a Layer<ServiceFile>, Range<usize>)> {
        match path.rsplit_once('.') {
            Some((around, index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => {
                let (layer, whole) = self.find(around)?;
                Some((layer, layer.places.get(path).cloned().unwrap_or(whole)))
            }
            Some((around, _)) => self.find(path).or_else(|| self.located(around)),
            None => self.find(path),
        }
    }
}
