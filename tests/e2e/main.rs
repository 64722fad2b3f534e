//! The real binary with real files and real processes, one module per capability.
//!
//! Each test has a [`world::World`] of its own: directories, a supervisor, and an end to both. A
//! test waits for what it claims with a deadline and never sleeps for a guess; where nothing must
//! happen, it waits for a later change to have happened (a *fence*). What needs a program that is
//! not installed says so aloud, and fails where `CI=true` promises that it is there.
//!
//! `ABIDE_BIN` names another binary than the one that cargo built, `SUPERVISORCTL` one that is not on the `PATH`.

mod api;
mod bad_input;
mod browser;
mod check;

mod daemons;
mod daemontools;
mod daemontools_renamed;
mod doors;
mod examples;
mod files;
mod findings;
mod first_process;
mod forking;
mod given;
mod guard;
mod guise;
mod hooks;
mod http;
mod idle;
mod import;
mod in_depth;
mod leaks;
mod limits;
mod formats;
mod log_command;
mod log_level;
mod logs;
mod looks;
mod mounts;
mod operator;
mod order;
mod plan;
mod probe;
mod process;
mod programs;
mod random;
mod ready;
mod resources;
mod rollback;
mod rollout;
mod rpc;
mod restart;
mod second_run;
mod scenarios;
mod servers;
mod shipping;
mod status;
mod stop;
mod survival;
mod top;
mod transcripts;
mod trees;
mod trust;
mod under_load;
mod vanishing;
mod world;
mod writers;
