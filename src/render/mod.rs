//! Values to text. Pure; imports `model` only.

pub mod plan;
