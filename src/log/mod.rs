//! Output of services, as values: rotation rules, names, orders to the logger, what is looked for in it. Pure.

pub mod ansi;
pub mod entry;
pub mod format;
pub mod level;
pub mod lines;
pub mod lookout;
pub mod message;
pub mod named;
pub mod order;
pub mod rotate;
pub mod said;
pub mod select;
pub mod stamp;
