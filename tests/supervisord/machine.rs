//! The machine that the test runs on, as the reader asks for it.

use abide::supervisord::Around;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) struct Machine {
    pub(crate) uid: u64,
    env: BTreeMap<String, String>,
    host: String,
    directory: String,
    users: Vec<Vec<String>>,
    groups: Vec<Vec<String>>,
}

/// The environment of both.
pub(crate) fn env() -> BTreeMap<String, String> {
    let all = [("HOME", "/tmp"), ("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("V", "val"), ("TEN", "10")];
    let traps = [("PERCENT", "10%"), ("BLANK", "a b"), ("QUOTE", "it's"), ("COMMA", "x,Y=z"), ("HASH", "a #b")];
    all.into_iter().chain(traps).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Machine {
    pub(crate) fn new(directory: &Path, hello: &Value) -> Self {
        Self {
            uid: hello["uid"].as_u64().expect("it is a number"),
            env: env(),
            host: hello["host"].as_str().expect("it is a text").to_owned(),
            directory: directory.to_str().expect("it is UTF-8").to_owned(),
            users: table("/etc/passwd"),
            groups: table("/etc/group"),
        }
    }

    /// The absolute path of a file of a case.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory).trim_end_matches('/').to_owned()
    }

    fn number(table: &[Vec<String>], name: &str, column: usize) -> Option<u32> {
        let is_number = name.parse::<u32>().is_ok();
        let row = table.iter().find(|row| row.get(if is_number { 2 } else { 0 }).is_some_and(|cell| cell == name))?;
        row.get(column)?.parse().ok()
    }
}

fn table(path: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

impl Around for Machine {
    fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn working_directory(&self) -> &str {
        &self.directory
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        match user {
            None => self.env.get("HOME").cloned(),
            Some(user) => self.users.iter().find(|row| row[0] == user).and_then(|row| row.get(5).cloned()),
        }
    }

    fn user(&self, name: &str) -> Option<(u32, u32)> {
        Some((Self::number(&self.users, name, 2)?, Self::number(&self.users, name, 3)?))
    }

    fn group(&self, name: &str) -> Option<u32> {
        Self::number(&self.groups, name, 2)
    }

    fn is_directory(&self, path: &str) -> bool {
        !path.is_empty() && Path::new(&self.directory).join(path).is_dir()
    }
}
