//! The thin unsafe layer over what nix lacks. Nothing here decides anything.

pub mod lease;
