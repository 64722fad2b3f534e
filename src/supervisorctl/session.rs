//! What commands work with: the server, the terminal, and the exit code so far.

use std::io::Write;

use super::commands;
use super::keyboard::Keyboard;
use super::remote::{Failure, Remote, code};

/// The exit codes of supervisorctl.
pub(super) mod exit {
    pub(in super::super) const GENERIC: u8 = 1;
    pub(in super::super) const INVALID_ARGS: u8 = 2;
    pub(in super::super) const NOT_IMPLEMENTED: u8 = 3;
    pub(in super::super) const NOT_REACHED: u8 = 4;
    pub(in super::super) const OTHER_VERSION: u8 = 5;
    pub(in super::super) const NOT_RUNNING: u8 = 7;
    /// Of `status`: some are stopped.
    pub(in super::super) const STOPPED: u8 = 3;
    /// Of `status`: some are unknown, or the server is not to be reached.
    pub(in super::super) const UNKNOWN: u8 = 4;
}

const API_VERSION: &str = "3.0";

/// The course of a command. A failure ends it.
pub(super) type Outcome = Result<(), Failure>;

pub(super) struct Session<'a> {
    pub(super) remote: &'a mut dyn Remote,
    pub(super) out: &'a mut dyn Write,
    pub(super) keyboard: &'a mut Keyboard,
    /// Somebody types, so there is somebody to ask.
    pub(super) interactive: bool,
    pub(super) code: u8,
    /// `quit`.
    pub(super) done: bool,
}

impl Session<'_> {
    /// Writes a line. Whoever reads no more misses it.
    pub(super) fn say(&mut self, line: &str) {
        let _ = self.write(line.as_bytes());
        let _ = self.write(b"\n");
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }

    /// Writes a line about what went wrong.
    pub(super) fn fail(&mut self, line: &str, code: u8) {
        self.say(line);
        self.code = code;
    }

    /// Runs a line.
    pub(super) fn run(&mut self, line: &str) {
        let mut outcome = commands::run(self, line);
        if outcome == Err(Failure::Unauthorized) && self.interactive {
            self.say("Server requires authentication");
            if self.login() {
                outcome = commands::run(self, line);
            }
        }
        self.remote.rest();
        match outcome {
            Ok(()) => {}
            Err(Failure::Unauthorized) => self.fail("Server requires authentication", exit::GENERIC),
            Err(failure) => {
                let shown = failure.shown(self.remote.url());
                self.fail(&format!("error: {shown}"), exit::GENERIC);
            }
        }
    }

    fn login(&mut self) -> bool {
        let Some(username) = self.keyboard.ask("Username:", self.out) else { return false };
        let Some(password) = self.keyboard.ask_secret("Password:", self.out) else { return false };
        self.say("");
        self.remote.login(&username, &password);
        true
    }

    /// Whether the server is there and speaks our version; if not that has been said.
    pub(super) fn is_up(&mut self) -> Result<bool, Failure> {
        let failure = match self.remote.call("getVersion", &[]) {
            Ok(version) if version.text() == Some(API_VERSION) => return Ok(true),
            Ok(version) => {
                let version = version.text().unwrap_or("unknown");
                let line = format!(
                    "Sorry, this version of supervisorctl expects to talk to a server with API version {API_VERSION}, \
                     but the remote version is {version}."
                );
                self.fail(&line, exit::OTHER_VERSION);
                return Ok(false);
            }
            Err(failure) => failure,
        };
        let shown = failure.shown(self.remote.url());
        match failure {
            Failure::Absent => self.fail(&shown, exit::NOT_RUNNING),
            Failure::Refused => self.fail(&shown, exit::NOT_REACHED),
            failure if failure.code() == Some(code::UNKNOWN_METHOD) => {
                let line = "Sorry, supervisord responded but did not recognize the supervisor namespace commands that \
                            supervisorctl uses to control it.  Please check that the [rpcinterface:supervisor] section \
                            is enabled in the configuration file (see sample.conf).";
                self.fail(line, exit::NOT_IMPLEMENTED);
            }
            failure => return Err(failure),
        }
        Ok(false)
    }
}
