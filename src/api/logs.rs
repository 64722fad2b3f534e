//! x
#[derive(Debug, Clone, Default)]
pub(super) struct Logs;
