//! Where the output of a program goes, as supervisord's files say it.

use crate::model::logging::LogPolicy;
use crate::supervisord::Process;

/// Puts on `policy` what the keys of `process` say.
pub(super) fn put_on(_process: &Process, _strip_ansi: bool, _policy: &mut LogPolicy) {}
