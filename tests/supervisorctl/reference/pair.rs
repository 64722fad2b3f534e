//! Both clients, side by side.

use std::path::Path;
use std::process::Output;

use super::{Client, normal};

/// Runs both clients, each at its own server, and compares.
pub(crate) struct Pair<'a> {
    real: (Client<'a>, String),
    ours: (Client<'a>, String),
    different: Vec<String>,
}

impl<'a> Pair<'a> {
    pub(crate) fn new(python: &'a Path, real: String, ours: String) -> Self {
        Self { real: (Client::Real(python), real), ours: (Client::Ours, ours), different: Vec::new() }
    }

    pub(crate) fn compare(&mut self, what: &str, run: impl Fn(Client<'_>, &str) -> Output + Sync) {
        let shown = |(client, url): &(Client<'_>, String)| {
            let output = run(*client, url);
            (normal(&output, url), output)
        };
        let ((expected, _), (got, raw)) = std::thread::scope(|scope| {
            let ours = scope.spawn(|| shown(&self.ours));
            (shown(&self.real), ours.join().expect("it does not panic"))
        });
        let by_chance = what.contains("all") || what.contains(":*") || what.contains("update");
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        if expected != got && !(by_chance && sorted(&expected) == sorted(&got)) {
            self.different
                .push(format!("$ {what}\n--- expected:\n{expected}\n--- got:\n{got}\n--- that is:\n{raw:?}\n"));
        }
    }

    /// A line as the words of a command line.
    pub(crate) fn line(&mut self, line: &str) {
        self.compare(line, |client, url| {
            let words: Vec<&str> = ["-s", url].into_iter().chain(line.split(' ')).collect();
            client.run(&words, "")
        });
    }

    /// Lines, in order.
    pub(crate) fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            self.line(line);
        }
    }

    /// Lines that are typed.
    pub(crate) fn typed(&mut self, input: &str) {
        self.compare(&format!("typed: {input}"), |client, url| client.run(&["-s", url], input));
    }

    pub(crate) fn end(self) {
        assert!(self.different.is_empty(), "{}", self.different.concat());
    }
}
