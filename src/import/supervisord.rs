//! Programs of supervisord to service files.
//!
//! What supervisord does and abide does otherwise by itself is said by keys: it hands its own environment on, signals the
//! one process, waits a second more after each start that failed, and keeps output as it comes. Each key that is not
//! carried over, or only nearly, is a remark.

mod log;
mod losses;
mod numbered;
mod restart;
#[cfg(test)]
mod tests;
mod unit;

pub use losses::{Loss, OF_ALL, is_of_programs, losses};
pub use unit::{Unit, units};

use super::Imported;
use super::draft::{Draft, list, string};
use crate::model::limits::{Bound, LimitKind};
use crate::supervisord::{Daemon, Process, Reading};
use std::collections::BTreeMap;

/// What has to be known of the machine, and of how supervisord ran on it.
pub struct Host<'a> {
    /// The name of the account with that number.
    pub account: &'a dyn Fn(u32) -> Option<String>,
    /// The directory that supervisord was started in.
    pub directory: &'a str,
    /// The limits that a service begins with: soft and hard.
    pub limits: BTreeMap<LimitKind, (Bound, Bound)>,
}

/// What abide sets from the account of `user`, and supervisord does not.
const PERSONAL: [&str; 4] = ["HOME", "USER", "LOGNAME", "SHELL"];

/// The service file that does what `unit` does.
pub fn import(unit: &Unit<'_>, reading: &Reading, host: &Host<'_>) -> Result<Imported, String> {
    if let Some(why) = unit.refused() {
        return Err(why.to_owned());
    }
    let process = &unit.process;
    let words = process.words.as_ref().map_err(|why| format!("the command cannot be split into words: {why}"))?;
    let mut job = Job { unit, process, reading, host, remarks: Vec::new() };
    let mut body = Draft::default();
    job.basics(&mut body, words)?;
    job.environment(&mut body);
    job.limits(&mut body);
    restart::restart(&mut job, &mut body);
    restart::stop(&mut job, &mut body);
    log::log(&mut job, &mut body);
    job.others();
    let mut head = Draft::default();
    head.comment(&format!("By `abide import supervisord`, from [{}]", process.program));
    for remark in &job.remarks {
        head.comment(&format!("- {remark}"));
    }
    Ok(Imported { text: head.text() + &body.text(), remarks: job.remarks })
}

/// A service file on its way.
struct Job<'a> {
    unit: &'a Unit<'a>,
    process: &'a Process,
    reading: &'a Reading,
    host: &'a Host<'a>,
    remarks: Vec<String>,
}

impl Job<'_> {
    /// What is not as `key` says.
    fn remark(&mut self, key: &str, why: impl std::fmt::Display) {
        self.remarks.push(format!("{key}: {why}"));
    }

    /// Whether a key is written, be it in `[DEFAULT]`.
    fn said(&self, key: &str) -> bool {
        let defaults = self.reading.written.get("DEFAULT");
        self.process.places.contains_key(key) || defaults.is_some_and(|keys| keys.contains(key))
    }

    /// `[supervisord]`, where it says what becomes of the daemon once it has left the foreground.
    fn in_background(&self) -> Option<&Daemon> {
        self.reading.daemon.as_ref().filter(|daemon| !daemon.nodaemon)
    }

    /// A path as the daemon takes it, absolute.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let own = self.in_background().and_then(|daemon| daemon.directory.as_deref()).unwrap_or_default();
        let start = self.host.directory.trim_end_matches('/');
        let base = if own.starts_with('/') { own.to_owned() } else { format!("{start}/{own}") };
        let (base, path) = (base.trim_end_matches('/').replace('$', "$$"), path.strip_prefix("./").unwrap_or(path));
        if base.is_empty() || !path.is_empty() { format!("{base}/{path}") } else { base }
    }

    /// The keys of no table.
    fn basics(&mut self, draft: &mut Draft, words: &[String]) -> Result<(), String> {
        let mut words = words.to_vec();
        match words.first_mut() {
            None => return Err("the command is empty".to_owned()),
            Some(program) if program.contains('/') => *program = self.absolute(program),
            Some(_) => {}
        }
        draft.key("command", list(&words));
        draft.key("directory", string(&self.absolute(self.process.directory.as_deref().unwrap_or_default())));
        let has_own = self.in_background().is_some_and(|daemon| daemon.directory.is_some());
        if self.process.directory.is_none() && !has_own {
            let why = "none is said; written is where this was imported, which should be where supervisord was started";
            self.remark("directory", why);
        }
        if self.unit.count > 1 {
            draft.key("instances", self.unit.count);
        }
        if !self.process.autostart {
            draft.key("enabled", false);
            let why =
                "not started by itself is `enabled = false`; to run it, change that: `abide start` starts no such";
            self.remark("autostart", why);
        }
        self.user(draft);
        let of_daemon = self.in_background().map(|daemon| daemon.umask);
        if let Some(mask) = self.process.umask.or(of_daemon.filter(|mask| *mask != 0o022)) {
            draft.key("umask", string(&format!("{:04o}", mask & 0o777)));
        }
        draft.key("inherit_environment", true);
        Ok(())
    }

    fn user(&mut self, draft: &mut Draft) {
        let number = |text: &str| text.parse::<u32>().ok();
        let own = self.process.user.map(|user| (self.host.account)(user.uid).unwrap_or(user.uid.to_string()));
        let of_daemon = self.reading.daemon.as_ref().and_then(|daemon| daemon.user.clone());
        let Some(user) = own.or(of_daemon) else { return };
        match number(&user) {
            Some(uid) => draft.key("user", uid),
            None => draft.key("user", string(&user)),
        }
        if user == "root" || user == "0" {
            return;
        }
        let environment = &self.process.environment;
        let missing: Vec<&str> = PERSONAL.into_iter().filter(|name| !environment.contains_key(*name)).collect();
        if !missing.is_empty() {
            self.remark("user", format!("{} are the user's; supervisord leaves its own", missing.join(", ")));
        }
    }

    fn environment(&mut self, draft: &mut Draft) {
        let process = self.process;
        let url = process.serverurl.as_ref().map(|url| ("SUPERVISOR_SERVER_URL", url.replace('$', "$$")));
        let given = [
            ("SUPERVISOR_ENABLED", "1".to_owned()),
            ("SUPERVISOR_GROUP_NAME", self.unit.group.name.replace('$', "$$")),
            ("SUPERVISOR_PROCESS_NAME", process.name.clone()),
        ];
        let mut variables: BTreeMap<&str, String> = given.into_iter().chain(url).collect();
        variables.extend(process.environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
        draft.table("environment");
        for (name, value) in &variables {
            draft.key(name, string(value));
        }
    }

    /// Those that `[supervisord]` raises.
    fn limits(&self, draft: &mut Draft) {
        draft.table("limits");
        for (kind, least) in raised(self.reading, self.host) {
            let hard = self.host.limits.get(&kind).map_or(least, |(_, hard)| least.max(*hard));
            let bound = |bound: Bound| match i64::try_from(bound.0) {
                Ok(number) => number.to_string(),
                Err(_) => string("unlimited"),
            };
            draft.key(kind.key(), format!("{{ soft = {}, hard = {} }}", bound(least), bound(hard)));
        }
    }

    /// Keys that no other function has a word about.
    fn others(&mut self) {
        if self.said("priority") {
            self.remark("priority", "it only orders the starts; `after` and `requires` say who needs whom");
        }
        if self.process.serverurl.is_some() {
            self.remark("serverurl", "it stands in SUPERVISOR_SERVER_URL, but no supervisord answers there");
        }
        for key in self.process.extra.keys() {
            self.remarks.push(format!("{key}: supervisord has no such key, and ignores it"));
        }
    }
}

/// The soft limits that `[supervisord]` asks for and that a service has not by itself.
fn raised(reading: &Reading, host: &Host<'_>) -> Vec<(LimitKind, Bound)> {
    let Some(daemon) = &reading.daemon else { return Vec::new() };
    let all = [(LimitKind::OpenFiles, daemon.minfds), (LimitKind::Processes, daemon.minprocs)];
    let all = all.into_iter().filter_map(|(kind, least)| Some((kind, Bound(u64::try_from(least).ok()?))));
    all.filter(|(kind, least)| host.limits.get(kind).is_some_and(|(soft, _)| soft < least)).collect()
}
