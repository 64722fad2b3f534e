//! The shipped `Fleet` in a pretended Linux under virtual time: nothing here sleeps, forks or opens
//! a file. One seed is one history.

mod behaviour;
mod crashes;
mod health;
mod hooks;
mod invariants;
mod last_word;
mod log_commands;
mod operator;
mod order;
mod random;
mod readiness;
mod reloads;
mod renames;
mod scenarios;
mod services;
mod supervised;
mod tasks;
mod traits;
mod types;
mod world;
