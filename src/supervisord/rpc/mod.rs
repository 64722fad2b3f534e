//! What the methods of supervisord's RPC interface mean: a call becomes an answer, a fault, or orders for whoever carries
//! them out. Nothing here knows a file, a clock or a process.

mod arguments;
mod call;
mod control;
mod describe;
mod fault;
mod info;
mod method;
mod multicall;
mod name;
mod order;
mod states;
mod target;
mod then;
mod view;
mod wait;
mod window;

pub use call::{Step, call};
pub use describe::{Stamp, description, uptime};
pub use fault::{Code, Fault};
pub use method::{METHODS, Method};
pub use name::{Name, Namespec};
pub use order::{Channel, Done, Log, Order, Outcome, Trouble};
pub use states::{DaemonState, ProcessState};
pub use target::{Target, target};
pub use then::Then;
pub use view::{Config, ConfigStream, Group, LogFile, Process, View};
pub use wait::{started, stopped};
pub use window::Window;

#[cfg(test)]
mod tests;
