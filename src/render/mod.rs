//! Values to text. Pure; imports `model` only.

pub mod diagnostic;
pub mod look;
pub mod news;
pub mod prometheus;
pub mod snapshot;
pub mod status;
pub mod plan;
