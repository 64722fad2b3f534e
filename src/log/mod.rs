//! Output of services, as values: rotation rules, names, orders to the logger. Pure.

pub mod order;
pub mod rotate;
pub mod stamp;
