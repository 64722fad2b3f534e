//! What must outlive abide: small files in the state directory, each written whole.
//!
//! Whoever writes here does so on a thread that may wait for a disk. What cannot be read back is kept and told.

pub mod holds;
pub mod ledger;
pub mod rollbacks;
pub mod suspended;
pub mod versions;
mod whole;
