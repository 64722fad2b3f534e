//! The shipped `Fleet` in a pretended Linux under virtual time: nothing here sleeps, forks or opens
//! a file. One seed is one history.

mod invariants;
mod last_word;
mod order;
mod random;
mod scenarios;
mod services;
mod world;
