//! Linux: does and never decides. Hands descriptors to the loop, waits on none itself.

pub mod sys;
