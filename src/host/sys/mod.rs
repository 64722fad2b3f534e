//! The thin unsafe layer over what nix lacks: making children, pidfds, limits of other processes,
//! descriptors in messages. Nothing here decides, and nothing outside needs `unsafe`.

pub mod child;
pub mod clone;
pub mod exec;
pub mod eyes;
pub mod inherited;
pub mod lease;
pub mod localtime;
pub mod memory;
pub mod pipe;
pub mod process;
pub mod processor;
pub mod socket;
pub mod time;
pub mod xattr;
