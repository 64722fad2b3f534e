//! The tools against the real ones: the same words, input and surroundings have to lead to the same output, exit
//! code and child.

mod background;
mod chain;
mod common;
mod control;
mod environment;
mod inherited;
mod labels;
mod limits;
mod lock;
mod multilog;
mod status;
