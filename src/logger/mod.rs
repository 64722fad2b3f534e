//! The writer: a process without tokio that brings the output of services into files.
//!
//! Its main thread takes orders and never touches a log's disk; for each file system with logs there is
//! one [`worker`], so that a hung disk blocks only what is logged on it; what it has rotated is deleted and compressed by
//! threads of that file system's own ([`packer`]). Nothing here is armed at rest: an idle slot is one descriptor in an
//! epoll set, or two.

mod capture;
mod command;
mod directory;
mod lane;
mod mounts;
mod multilog;
mod named;
mod outbox;
mod pace;
mod packer;
mod pipes;
mod raw;
mod run;
mod sink;
mod slot;
mod trouble;
mod worker;

pub use run::run;
