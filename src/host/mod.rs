//! Linux: does and never decides. Hands descriptors to the loop, waits on none itself.

pub mod cgroup;
pub mod chores;
pub mod clock;
pub mod limits;
pub mod doctor;
pub mod line;
pub mod look;
pub mod notify_socket;
mod owner;
pub mod perform;
pub mod peer;
mod pid_file;
pub mod pipe;
pub mod priority;
pub mod proc;
mod seat;
pub mod spawn;
pub mod supervise;
pub mod stderr;
pub mod sys;
pub mod tree;
pub mod usage;
mod watch;
pub mod within;
