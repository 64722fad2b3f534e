//! The command line.

pub mod schema;
pub mod status;
