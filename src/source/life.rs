//! How a service lives, from what its files say: type, readiness, health, commands, reloads, ends.
//!
//! Looks at the machine only for whether programs are there.

use super::merge::Stack;
use super::preflight;
use super::toml::life::{Strategy, TypeWord};
use super::toml::shape::ServiceFile;
use super::toml::values::CommandLine;
use super::words::Templates;
use crate::model::check::{Check, Health, HttpCheck, OnFailure, Ready};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::endpoint::Endpoint;
use crate::model::log_command;
use crate::model::log_to::LogTo;
use crate::model::logging::StderrTo;
use crate::model::name::ServiceName;
use crate::model::pattern;
use crate::model::policy::{
    ExitRules, Hooks, OnChange, ReloadBy, ReloadPolicy, RestartPolicy, RestartWhen, ServiceType, StopPolicy,
    UpdatePolicy,
};
use crate::model::signal::Signal;
use std::path::PathBuf;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Where programs are looked for.
pub(super) struct Programs {
    /// The root of its file system, where that is its own.
    pub(super) root: Option<PathBuf>,
    /// The working directory, expanded.
    pub(super) directory: String,
    /// The service's own PATH, expanded.
    pub(super) search: Option<String>,
}

/// On its way from what the files say to what is meant.
pub(super) struct Life<'a> {
    pub(super) stack: &'a Stack<'a>,
    pub(super) file: &'a ServiceFile,
    pub(super) templates: Templates<'a>,
    /// `None`: the machine is not looked at.
    pub(super) programs: Option<Programs>,
    pub(super) findings: &'a mut Vec<Diagnostic>,
}

/// The keys by which one finds out, of `[ready]` or `[health]`.
struct Said<'a> {
    table: &'static str,
    notify: bool,
    fd: Option<i32>,
    tcp: Option<&'a String>,
    http: Option<&'a String>,
    status: Option<u16>,
    body: Option<&'a String>,
    exec: Option<&'a CommandLine>,
    log: Option<&'a String>,
    delay: Option<Duration>,
}

impl Life<'_> {
    fn error(&mut self, path: &str, code: Code, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(self.stack.error(path, code, message).help(help));
    }

    fn kind(&self) -> TypeWord {
        self.file.r#type.unwrap_or(TypeWord::Simple)
    }

    /// `type`, `pid_file`, `remain`.
    pub(super) fn service_type(&mut self) -> ServiceType {
        let kind = self.kind();
        if let Some(path) = self.file.pid_file.as_ref().filter(|_| kind == TypeWord::Forking) {
            match self.templates.check("pid_file", path) {
                Ok(path) if path.starts_with('/') || (self.templates.partial && path.contains('$')) => {}
                Ok(path) => {
                    let message = format!("the pid file {path:?} is not absolute");
                    self.error("pid_file", Code::BadValue, message, "begin it with `/`");
                }
                Err(finding) => self.findings.push(finding),
            }
        }
        for (key, said, wanted) in [
            ("pid_file", self.file.pid_file.is_some(), TypeWord::Forking),
            ("remain", self.file.remain.is_some(), TypeWord::Oneshot),
        ] {
            if said && kind != wanted {
                let word = if wanted == TypeWord::Forking { "forking" } else { "oneshot" };
                let message = format!("`{key}` means nothing where `type` is not \"{word}\"");
                self.error(key, Code::BadValue, message, format!("say type = \"{word}\", or remove it"));
            }
        }
        match kind {
            TypeWord::Simple => ServiceType::Simple,
            TypeWord::Forking => ServiceType::Forking { pid_file: self.file.pid_file.clone() },
            TypeWord::Oneshot => ServiceType::Oneshot { remain: self.file.remain.unwrap_or(true) },
        }
    }

    /// `[ready]`.
    pub(super) fn ready(&mut self) -> Option<Box<Ready>> {
        let said = self.file.ready.as_ref()?;
        let keys = Said {
            table: "ready",
            notify: said.notify == Some(true),
            fd: said.fd.map(|fd| fd.0),
            tcp: said.tcp.as_ref(),
            http: said.http.as_ref(),
            status: said.status.map(|status| status.0),
            body: said.body.as_ref(),
            exec: said.exec.as_ref(),
            log: said.log.as_ref(),
            delay: said.delay,
        };
        let kind = self.kind();
        let check = match self.check(&keys, kind != TypeWord::Simple) {
            Some(check) if kind == TypeWord::Oneshot => {
                let help = "remove all but `timeout`, which may bound how long it takes";
                self.error("ready", Code::BadValue, "a oneshot is ready when it has succeeded", help);
                check
            }
            // The type says when it is ready: as soon as it is there.
            None if kind != TypeWord::Simple => Check::After(Duration::ZERO),
            check => check?,
        };
        let longest = if let Check::After(delay) = check { MINUTE.max(delay * 2) } else { MINUTE };
        let timeout = self.time("ready.timeout", said.timeout, longest);
        if matches!(check, Check::After(delay) if delay >= timeout) {
            self.error(
                "ready.delay",
                Code::BadValue,
                "`delay` is not within `timeout`",
                "lower `delay` or raise `timeout`",
            );
        }
        let interval = self.time("ready.interval", said.interval, Duration::from_secs(1));
        Some(Box::new(Ready { check, timeout, interval }))
    }

    /// `[health]`.
    pub(super) fn health(&mut self) -> Option<Box<Health>> {
        let said = self.file.health.as_ref()?;
        let keys = Said {
            table: "health",
            notify: said.notify == Some(true),
            fd: None,
            tcp: said.tcp.as_ref(),
            http: said.http.as_ref(),
            status: said.status.map(|status| status.0),
            body: said.body.as_ref(),
            exec: said.exec.as_ref(),
            log: None,
            delay: None,
        };
        let check = self.check(&keys, false);
        let interval = self.time("health.interval", said.interval, Duration::from_secs(10));
        let timeout = self.time("health.timeout", said.timeout, Duration::from_secs(5));
        if self.kind() == TypeWord::Oneshot {
            let help = "remove the table, or check what it does by a service of its own";
            self.error("health", Code::BadValue, "a oneshot that is done has no health", help);
        }
        let check = check?;
        let failures = said.failures.map_or(if check == Check::Notify { 1 } else { 3 }, |count| count.0);
        let on_failure = said.on_failure.unwrap_or(OnFailure::Restart);
        Some(Box::new(Health { check, interval, timeout, failures, on_failure }))
    }

    /// A time that must not be zero.
    fn time(&mut self, path: &str, said: Option<Duration>, default: Duration) -> Duration {
        let time = said.unwrap_or(default);
        if time.is_zero() {
            let key = path.rsplit('.').next().unwrap_or(path);
            self.error(path, Code::BadValue, format!("`{key}` is zero"), "write a time, such as \"10s\"");
        }
        time
    }

    /// The one way to find out that a table names; `may_lack`: none is no mistake.
    fn check(&mut self, said: &Said<'_>, may_lack: bool) -> Option<Check> {
        let table = said.table;
        let kinds: &[&str] = match table {
            "ready" => &["notify", "fd", "tcp", "http", "exec", "log", "delay"],
            _ => &["notify", "tcp", "http", "exec"],
        };
        let given = |key: &&&str| match **key {
            "notify" => said.notify,
            // One with a bad value is given, and has its own error.
            key => self.stack.names(&format!("{table}.{key}")),
        };
        let named: Vec<&str> = kinds.iter().filter(given).copied().collect();
        let all = kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        match named.as_slice() {
            [] if may_lack => {}
            [] => {
                let message = format!("`{table}` does not say how one finds out");
                self.error(table, Code::BadValue, message, format!("add one of {all}"));
            }
            [_] => {}
            [first, second, ..] => {
                let path = format!("{table}.{second}");
                let message = format!("both `{first}` and `{second}` are given");
                self.error(&path, Code::BadValue, message, "keep one of them");
            }
        }
        if !named.contains(&"http") {
            for key in ["status", "body"].into_iter().filter(|key| self.stack.names(&format!("{table}.{key}"))) {
                let message = format!("`{key}` means nothing without `http`");
                self.findings.push(
                    self.stack
                        .error(&format!("{table}.{key}"), Code::BadValue, message)
                        .help("add `http`, or remove it"),
                );
            }
        }
        let apart = self.file.security.as_ref().and_then(|security| security.private_network) == Some(true);
        if let Some(key) = named.first().filter(|key| apart && matches!(**key, "tcp" | "http")) {
            let message = format!("with `private_network`, `{key}` finds nobody: abide is in another network");
            self.error(
                &format!("{table}.{key}"),
                Code::BadValue,
                message,
                "look by `exec`, which runs beside the service",
            );
        }
        match *named.first()? {
            "notify" => Some(Check::Notify),
            "fd" => said.fd.map(Check::Descriptor),
            "tcp" => Some(self.tcp(table, said.tcp?)),
            "http" => self.http(table, said),
            "exec" => Some(Check::Exec(self.command(&format!("{table}.exec"), said.exec?))),
            "log" => Some(self.log(said.log?)),
            _ => said.delay.map(Check::After),
        }
    }

    fn tcp(&mut self, table: &str, text: &str) -> Check {
        let path = format!("{table}.tcp");
        match self.templates.check(&path, text) {
            Ok(address) if Endpoint::tcp(&address).is_ok() || (self.templates.partial && address.contains('$')) => {}
            Ok(address) => {
                let message = format!("{address:?} is no `host:port`");
                self.error(&path, Code::BadValue, message, "write it like \"127.0.0.1:8080\" or \"[::1]:8080\"");
            }
            Err(finding) => self.findings.push(finding),
        }
        Check::Tcp(text.to_owned())
    }

    fn http(&mut self, table: &str, said: &Said<'_>) -> Option<Check> {
        let (path, text) = (format!("{table}.http"), said.http?);
        match self.templates.check(&path, text) {
            Ok(url) if url.starts_with("https://") => {
                let help = "ask it by `exec`, such as [\"curl\", \"-fsS\", \"https://...\"], or its port by `tcp`";
                self.error(&path, Code::BadValue, "abide asks http only, not https", help);
            }
            Ok(url) if Endpoint::http(&url).is_ok() || (self.templates.partial && url.contains('$')) => {}
            Ok(url) => {
                let message = format!("{url:?} is no URL");
                self.error(&path, Code::BadValue, message, "write it like \"http://127.0.0.1:8080/health\"");
            }
            Err(finding) => self.findings.push(finding),
        }
        Some(Check::Http(HttpCheck { url: text.clone(), status: said.status, body: said.body.cloned() }))
    }

    fn log(&mut self, text: &str) -> Check {
        if let Err(wrong) = pattern::compile(text) {
            let message = format!("the pattern is no regular expression: {wrong}");
            self.error("ready.log", Code::BadValue, message, "correct it; a `\\` before a sign takes it as it is");
        }
        Check::Log(text.to_owned())
    }

    /// A command as `command` is written.
    fn command(&mut self, path: &str, command: &CommandLine) -> Vec<String> {
        if command.words.first().is_none_or(String::is_empty) {
            self.error(path, Code::NoCommand, "the command is empty", "write the program as its first word");
            return command.words.clone();
        }
        match self.templates.check_words(path, command) {
            Ok(words) => {
                let first = if command.line.is_some() { path.to_owned() } else { format!("{path}.0") };
                self.program(&first, &words[0]);
            }
            Err(found) => self.findings.extend(found),
        }
        command.words.clone()
    }

    fn program(&mut self, path: &str, word: &str) {
        if let Some(Programs { root, directory, search }) = self.programs.as_ref().filter(|_| !word.is_empty()) {
            let place = (root.as_deref(), directory.as_str());
            preflight::program_at(self.stack, path, word, place, search.as_deref(), self.findings);
        }
    }

    /// Commands that follow one another.
    fn commands(&mut self, path: &str, said: Option<&super::toml::life::Commands>) -> Vec<Vec<String>> {
        let Some(commands) = said else { return Vec::new() };
        for (index, words) in commands.0.iter().enumerate() {
            let path = format!("{path}.{index}");
            self.command(&path, &CommandLine { words: words.clone(), line: None });
        }
        commands.0.clone()
    }

    /// `[log] command`.
    pub(super) fn log_command(&mut self, name: &ServiceName) {
        let Some(log) = &self.file.log else { return };
        let to = log.to.as_ref().filter(|to| to.0 != LogTo::File);
        let path = if log.command.is_some() { "log.command" } else { "log.to" };
        match (&log.command, to) {
            (None, None) => return,
            (None, Some(_)) => {}
            (Some(command), None) => drop(self.command(path, command)),
            (Some(_), Some(_)) => {
                self.error("log.to", Code::BadValue, "output goes one way", "leave `to` out, or `command`");
            }
        }
        if log_command::name(name).is_none() {
            let message = format!("the log command would be called {name}{}, which is too long", log_command::SUFFIX);
            self.error(path, Code::BadName, message, "give the service a shorter name");
        }
        if log.stderr == Some(StderrTo::Separate) {
            let help = "leave `stderr` out, or say \"discard\"";
            self.error("log.stderr", Code::BadValue, "a log command has one input, for both ways", help);
        }
        if self.file.ready.as_ref().is_some_and(|ready| ready.log.is_some()) {
            let message = "abide does not see what a log command reads, and so not the line";
            self.error("ready.log", Code::BadValue, message, "be ready by another sign, or leave `[log] command` out");
        }
    }

    /// `[start]`, and `[stop] after`.
    pub(super) fn hooks(&mut self, stop: &StopPolicy) -> Option<Box<Hooks>> {
        let (start, end) = (self.file.start.as_ref(), self.file.stop.as_ref());
        let hooks = Hooks {
            finish: None,
            start_before: self.commands("start.before", start.and_then(|start| start.before.as_ref())),
            start_after: self.commands("start.after", start.and_then(|start| start.after.as_ref())),
            stop_after: self.commands("stop.after", end.and_then(|stop| stop.after.as_ref())),
            start_timeout: self.time("start.timeout", start.and_then(|start| start.timeout), MINUTE),
            stop_timeout: stop.timeout,
        };
        if self.kind() == TypeWord::Oneshot && !hooks.start_after.is_empty() {
            let help = "append it to the command";
            self.error("start.after", Code::BadValue, "a oneshot has ended when it has started", help);
        }
        let some = !(hooks.start_before.is_empty() && hooks.start_after.is_empty() && hooks.stop_after.is_empty());
        some.then(|| Box::new(hooks))
    }

    /// `[stop]`.
    pub(super) fn stop(&mut self) -> StopPolicy {
        let default = StopPolicy::default();
        let Some(said) = &self.file.stop else { return default };
        if said.signal.is_some() && said.steps.is_some() {
            let help = "keep one of the two; the first step is the first signal";
            self.error("stop.signal", Code::BadValue, "both `signal` and `steps` are given", help);
        }
        StopPolicy {
            kill_scope: None,
            patient: false,
            signal: said.signal.unwrap_or(default.signal),
            timeout: said.timeout.unwrap_or(default.timeout),
            scope: said.scope.unwrap_or(default.scope),
            command: said.command.as_ref().map(|command| self.command("stop.command", command)),
            steps: said.steps.as_ref().map(|steps| steps.0.clone()).unwrap_or_default(),
        }
    }

    /// `[update]`.
    pub(super) fn update(&mut self) -> Option<Box<UpdatePolicy>> {
        let said = self.file.update.as_ref()?;
        let default = UpdatePolicy::default();
        let settle = self.time("update.settle", said.settle, default.settle);
        let policy = UpdatePolicy {
            rollback: said.rollback.unwrap_or(default.rollback),
            settle,
            rolling: said.strategy == Some(Strategy::Rolling),
            max_unavailable: said.max_unavailable.map_or(default.max_unavailable, |count| count.0),
        };
        // What says the default means what says nothing.
        (policy != default).then(|| Box::new(policy))
    }

    /// `[reload]`.
    pub(super) fn reload(&mut self) -> Option<Box<ReloadPolicy>> {
        let said = self.file.reload.as_ref()?;
        let on_change = said.on_change.unwrap_or(OnChange::Reload);
        let how = match (said.signal, &said.command) {
            (Some(_), Some(command)) => {
                let help = "keep one of the two";
                self.error("reload.command", Code::BadValue, "both `signal` and `command` are given", help);
                ReloadBy::Command(command.words.clone())
            }
            (Some(signal), None) => ReloadBy::Signal(signal),
            (None, Some(command)) => ReloadBy::Command(self.command("reload.command", command)),
            (None, None) => {
                let known = ["reload.signal", "reload.command"].iter().any(|path| self.stack.names(path));
                if on_change == OnChange::Reload && !known {
                    let help = "add signal = \"HUP\", or a `command`, or say on_change = \"restart\"";
                    self.error("reload", Code::BadValue, "`reload` has neither `signal` nor `command`", help);
                }
                ReloadBy::Signal(Signal::HUP)
            }
        };
        let watch = said.watch.clone().unwrap_or_default();
        for (index, path) in watch.iter().enumerate().filter(|(_, path)| !path.starts_with('/')) {
            let message = format!("the path {path:?} is not absolute");
            self.error(&format!("reload.watch.{index}"), Code::BadValue, message, "begin it with `/`");
        }
        let timeout = self.time("reload.timeout", said.timeout, MINUTE);
        Some(Box::new(ReloadPolicy { how, watch, on_change, timeout }))
    }

    /// What of `[restart]` is about ends, age and memory.
    pub(super) fn restart(&mut self, policy: &mut RestartPolicy) {
        let said = self.file.restart.clone().unwrap_or_default();
        if self.kind() == TypeWord::Oneshot {
            if said.policy == Some(RestartWhen::Always) {
                let help = "write \"on-failure\" or \"never\"";
                let message = "a oneshot that has succeeded is not run again";
                self.error("restart.policy", Code::BadValue, message, help);
            }
            policy.when = said.policy.unwrap_or(RestartWhen::OnFailure);
            if said.max_age.is_some() {
                let help = "bound how long it takes by `[ready] timeout`";
                self.error("restart.max_age", Code::BadValue, "a oneshot that is done has no age", help);
            }
        }
        let success = said.success.unwrap_or_default();
        let never_on = said.never_on.map(|codes| codes.0).unwrap_or_default();
        if let Some(code) = never_on.iter().find(|code| **code == 0 || success.codes.contains(code)) {
            let message = format!("{code} is a success and cannot be in `never_on` too");
            self.error("restart.never_on", Code::BadValue, message, "remove it from one of the two");
        }
        let rules = ExitRules {
            success_codes: success.codes,
            success_signals: success.signals,
            never_on,
            ..ExitRules::default()
        };
        policy.exits = (rules != ExitRules::default()).then(|| Box::new(rules));
        policy.max_age = said.max_age.map(|age| self.time("restart.max_age", Some(age), age));
        policy.max_memory = said.max_memory.map(|size| size.0);
        if policy.max_memory == Some(0) {
            let help = "write a size, such as \"512MiB\"";
            self.error("restart.max_memory", Code::BadSize, "`max_memory` is zero", help);
        }
    }
}
