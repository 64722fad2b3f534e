//! A service file as text, from values.

use std::fmt::Write as _;

/// A service file that is being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    tables: Vec<Table>,
}

/// A table of it; the first has no name.
#[derive(Debug, Clone, Default)]
struct Table {
    name: &'static str,
    lines: Vec<String>,
}

impl Draft {
    /// What is said from here on belongs to the table `name`.
    pub(super) fn table(&mut self, name: &'static str) {
        self.tables.push(Table { name, lines: Vec::new() });
    }

    /// A sentence for people, above what is said next.
    pub(super) fn comment(&mut self, text: &str) {
        // What comes of a script may have any character in it.
        self.line(format!("# {}", text.replace(|c: char| c.is_control(), " ")));
    }

    /// A key and its value, which is TOML already.
    pub(super) fn key(&mut self, key: &str, value: impl std::fmt::Display) {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { string(key) };
        self.line(format!("{key} = {value}"));
    }

    fn line(&mut self, line: String) {
        if self.tables.is_empty() {
            self.table("");
        }
        if let Some(table) = self.tables.last_mut() {
            table.lines.push(line);
        }
    }

    /// The whole of it; tables in which nothing is said are left out.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for table in self.tables.iter().filter(|table| !table.lines.is_empty()) {
            if !text.is_empty() {
                text.push('\n');
            }
            if !table.name.is_empty() {
                let _ = writeln!(text, "[{}]", table.name);
            }
            for line in &table.lines {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

/// A string of TOML.
pub(super) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of strings.
pub(super) fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| string(word)).collect();
    format!("[{}]", words.join(", "))
}
