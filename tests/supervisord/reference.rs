//! The real supervisor, in one process for all cases.

use crate::machine;
use crate::random::Case;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const HELPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/supervisord/reader.py");

/// A Python that has the real supervisor.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("SUPERVISOR_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(&python);
    let status = command.args(["-c", "import supervisor.options"]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(python)
}

pub(crate) struct Reference {
    /// What it says of the machine.
    pub(crate) hello: Value,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Reference {
    pub(crate) fn start(python: &str, directory: &Path) -> Self {
        let mut command = Command::new(python);
        command.arg(HELPER).current_dir(directory).env_clear().envs(machine::env());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python can be run");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut reference = Self { hello: Value::Null, child, stdin, stdout };
        reference.hello = reference.answer();
        reference
    }

    /// What it makes of a case.
    pub(crate) fn read(&mut self, case: &Case) -> Value {
        let stdin = self.stdin.as_mut().expect("it is open until the end");
        writeln!(stdin, "{}", json!({"main": "m.conf", "files": case.files})).expect("the helper lives");
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the helper lives");
        serde_json::from_str(&line).expect("the helper answers with JSON")
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // The end of its input is the helper's end.
        self.stdin = None;
        self.child.wait().ok();
    }
}
