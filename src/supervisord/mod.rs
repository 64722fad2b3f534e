//! supervisord's configuration, read: text in, plain data and what is wrong with it out; and what its clients say and hear
//! ([`rpc`], [`xmlrpc`]).
//!
//! Nothing here opens a file, looks at a clock or starts a process. What the reader must know of the machine it asks
//! of an [`Around`].

mod conversion;
mod ctl;
mod daemon;
mod environment;
pub mod events;
mod expand;
mod fcgi;
mod groups;
mod ini;
mod keys;
mod known;
mod listener;
mod paths;
mod program;
mod quoted;
pub mod rpc;
mod sections;
mod servers;
mod shape;
mod stream;
mod values;
mod words;
pub mod xmlrpc;

pub use shape::{
    Autorestart, Ctl, Daemon, Endpoint, Group, GroupKind, Identity, LogFile, LogLevel, MainLog, Owner, Plugin, Process,
    Server, Socket, Stream,
};

use quoted::quoted;
use sections::{Findings, Scene};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A file of the configuration.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path, as messages show it.
    pub path: String,
    /// The directory that it is in: `%(here)s`.
    pub directory: String,
    /// What is in it.
    pub text: String,
}

/// What the reader must know of the machine.
pub trait Around {
    /// The daemon's own environment.
    fn env(&self) -> &BTreeMap<String, String>;
    /// The name of the machine.
    fn host(&self) -> &str;
    /// The directory that relative paths are under.
    fn working_directory(&self) -> &str;
    /// The home directory of a user, or of the one who asks.
    fn home(&self, user: Option<&str>) -> Option<String>;
    /// The uid and gid of a user. Digits are a uid.
    fn user(&self, name: &str) -> Option<(u32, u32)>;
    /// The gid of a group. Digits are a gid.
    fn group(&self, name: &str) -> Option<u32>;
    /// Whether there is a directory.
    fn is_directory(&self, path: &str) -> bool;
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// supervisord's own: there must be a `[supervisord]` section, and the first fault refuses all.
    Daemon,
    /// One of a watched directory: a fault harms only the groups that it is in.
    Watched,
}

/// A place in the text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The number of the file among the sources.
    pub file: usize,
    /// The bytes of its text.
    pub span: Range<usize>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The number of the file among the sources.
    pub file: usize,
    /// Where in its text.
    pub span: Range<usize>,
    /// The section that it is in; empty if it is in none.
    pub section: String,
    /// The key that it is about.
    pub key: Option<String>,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// supervisord logs it as information.
    Info,
    /// supervisord logs it as a warning.
    Warning,
    /// supervisord says nothing about it.
    Hint,
}

/// Something worth knowing that refuses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub level: Level,
    /// The number of the file among the sources.
    pub file: usize,
    /// Where in its text.
    pub span: Range<usize>,
    /// The section that it is in; empty if it is in none.
    pub section: String,
    /// The key that it is about.
    pub key: Option<String>,
    /// What it says.
    pub message: String,
}

/// All that was read.
#[derive(Debug, Default)]
pub struct Reading {
    /// `[supervisord]`, if it is there and good.
    pub daemon: Option<Daemon>,
    /// The HTTP servers, first those of TCP.
    pub servers: Vec<Server>,
    /// `[rpcinterface:NAME]`.
    pub rpc_interfaces: Vec<Plugin>,
    /// `[supervisorctl]`, if it is there and good.
    pub ctl: Option<Ctl>,
    /// The good groups by priority and name. Of two with the same name the first is the one to run.
    pub groups: Vec<Group>,
    /// The keys that are written in each section, `[DEFAULT]` among them.
    pub written: BTreeMap<String, BTreeSet<String>>,
    /// What is wrong, in the order in which supervisord meets it.
    pub faults: Vec<Fault>,
    /// What is wrong with `[supervisorctl]` and `[ctlplugin:NAME]`, which the daemon does not look at.
    pub ctl_faults: Vec<Fault>,
    /// What is worth knowing.
    pub notes: Vec<Note>,
}

/// The globs that `[include]` of the main file names, in their order; relative ones are under its directory.
///
/// The fault is one of that section.
pub fn includes(main: &Source, around: &dyn Around) -> Result<Vec<String>, Fault> {
    let mut findings = Findings::default();
    let scene = Scene::new(std::slice::from_ref(main), around, &mut findings);
    let globs = scene.section("include").map(|section| sections::globs(&scene, section, &mut findings));
    // What else is wrong with the file takes nothing from what it includes.
    match findings.faults.into_iter().find(|fault| fault.section == "include") {
        Some(fault) => Err(fault),
        None => Ok(globs.unwrap_or_default()),
    }
}

/// What supervisord logs about a glob of the main file that matches nothing.
pub fn no_match(glob: &str) -> String {
    format!("No file matches via include \"{glob}\"")
}

/// Reads the main file, which is the first of `sources`, and those that it includes, merged key by key.
pub fn read(sources: &[Source], around: &dyn Around, way: Way) -> Reading {
    let mut findings = Findings::default();
    let mut scene = Scene::new(sources, around, &mut findings);
    let daemon = daemon::read(&mut scene, way, &mut findings);
    let rpc_interfaces = servers::plugins(&scene, "rpcinterface:", "supervisor.rpcinterface_factory", &mut findings);
    let mut groups = groups::read(&scene, &mut findings);
    let servers = servers::read(&scene, &mut findings);
    // The reference comes to the user when it has read all the rest.
    let daemon = daemon::with_user(&scene, daemon, &mut findings);
    if scene.without_environment {
        groups.clear();
    }
    let mut of_ctl = Findings::default();
    let ctl = ctl::read(&scene, &mut of_ctl);
    known::look(&scene, &mut findings);
    Reading {
        daemon,
        servers,
        rpc_interfaces,
        ctl,
        groups,
        written: scene.written(),
        faults: findings.faults,
        ctl_faults: of_ctl.faults,
        notes: findings.notes,
    }
}

#[cfg(test)]
mod tests;
