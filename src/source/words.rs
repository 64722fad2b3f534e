//! Templates in what a file says: checked for instance 0, each mistake at its very place.
//!
//! Pure.

use super::merge::Stack;
use super::toml::values::CommandLine;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::launch::INSTANCE_VARIABLE;
use crate::model::service::Environment;
use crate::model::template::{BadTemplate, expand};

/// So many mistakes of one kind make the point.
pub(super) const ENOUGH: usize = 32;

/// The variables that a template may name.
pub(super) struct Templates<'a> {
    pub(super) stack: &'a Stack<'a>,
    pub(super) base: &'a Environment,
    /// Whether `base` lacks what was not looked at, so that an unknown variable may be a known one.
    pub(super) partial: bool,
}

impl Templates<'_> {
    /// `text` as instance 0 sees it.
    pub(super) fn expand(&self, text: &str) -> Result<String, BadTemplate> {
        let lookup = |name: &str| match name {
            INSTANCE_VARIABLE => Some("0"),
            _ => self.base.get(name).map(String::as_str),
        };
        match expand(text, lookup) {
            Err(BadTemplate::Unknown { .. }) if self.partial => Ok(text.to_owned()),
            expanded => expanded,
        }
    }

    /// The string `text`, the value of `path`, expanded; or what is wrong with it.
    pub(super) fn check(&self, path: &str, text: &str) -> Result<String, Diagnostic> {
        self.expand(text).map_err(|bad| self.finding(path, text, bad.offset(), &bad))
    }

    /// Each word of `command` expanded, or what is wrong with them.
    pub(super) fn check_command(&self, command: &CommandLine) -> Result<Vec<String>, Vec<Diagnostic>> {
        self.check_words("command", command)
    }

    /// The same of a command that is the value of `path`.
    pub(super) fn check_words(&self, path: &str, command: &CommandLine) -> Result<Vec<String>, Vec<Diagnostic>> {
        let Some(line) = &command.line else {
            let check = |(index, word): (usize, &String)| self.check(&format!("{path}.{index}"), word);
            return all(command.words.iter().enumerate().map(check));
        };
        // Splitting takes quotes and backslashes away but no dollar: the nth one of the words is the nth one of the line.
        let mut dollars = 0;
        let check = |word: &String| {
            let before = dollars;
            dollars += word.matches('$').count();
            self.expand(word).map_err(|bad| {
                let nth = before + word[..bad.offset()].matches('$').count();
                let at = line.match_indices('$').nth(nth).map_or(0, |(at, _)| at);
                self.finding(path, line, at, &bad)
            })
        };
        all(command.words.iter().map(check))
    }

    fn finding(&self, path: &str, text: &str, at: usize, bad: &BadTemplate) -> Diagnostic {
        let rest = &text[at..];
        let length = match bad {
            BadTemplate::Lone { .. } => 1,
            _ => rest.find('}').map_or(rest.len(), |end| end + 1),
        };
        let (message, help) = match bad {
            BadTemplate::Unknown { name, .. } => (format!("${{{name}}} is not set"), self.unknown(name)),
            BadTemplate::Lone { .. } => {
                ("a `$` that begins nothing".to_owned(), "write ${NAME}, or $$ for the sign itself".into())
            }
            BadTemplate::Unclosed { .. } => ("`${` without its `}`".to_owned(), "close it with `}`".into()),
            BadTemplate::BadName { name, .. } => {
                (format!("`{name}` is no variable name"), "write letters, digits and `_` between the braces".into())
            }
        };
        self.stack.error_within(path, at..at + length, Code::BadTemplate, message).help(help)
    }

    fn unknown(&self, name: &str) -> String {
        if LATER.contains(&name) {
            return format!(
                "it is in the environment of the command: let a shell read it, [\"/bin/sh\", \"-c\", \"… $${name}\"]"
            );
        }
        let fallback = format!("or write a default: ${{{name}:-value}}");
        if self.stack.names(&format!("environment.{name}")) {
            return format!(
                "set it in a file of `environment_files`, since entries of `environment` do not see each other, {fallback}"
            );
        }
        let known: Vec<&str> = self.base.keys().map(String::as_str).chain([INSTANCE_VARIABLE]).collect();
        match super::toml::reader::nearest(name, &known) {
            Some(near) => format!(
                "did you mean ${{{near}}}? Else set it in `environment_files` or `inherit_environment`, {fallback}"
            ),
            None => format!("set it in a file of `environment_files`, name it in `inherit_environment`, {fallback}"),
        }
    }
}

/// What is known when a command beside the service runs, and not when its words are filled in.
const LATER: [&str; 3] = ["MAINPID", "ABIDE_EXIT_CODE", "ABIDE_EXIT_SIGNAL"];

/// All values, or all that is wrong.
fn all<T>(results: impl Iterator<Item = Result<T, Diagnostic>>) -> Result<Vec<T>, Vec<Diagnostic>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(finding) => bad.push(finding),
        }
        if bad.len() >= ENOUGH {
            break;
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}
