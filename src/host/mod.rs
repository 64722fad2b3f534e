//! Linux: does and never decides. Hands descriptors to the loop, waits on none itself.

pub mod clock;
pub mod limits;
pub mod pipe;
pub mod proc;
pub mod spawn;
pub mod sys;
pub mod tree;
pub mod sys;
