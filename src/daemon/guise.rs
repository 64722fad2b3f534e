//! What svscan and supervise would say on stderr, where abide stands in for them.

use super::report;
use super::trace::AS_IT_IS;
use super::turn::Supervisor;
use crate::decide::event::Event;
use crate::decide::fleet::Finding;
use crate::host::supervise::HELD;
use crate::model::diagnostic::Code;
use crate::model::guise::Guise;
use crate::model::outcome::{Failure, Step};
use crate::tools::errno;

impl Supervisor {
    /// What there is to tell about a file. That a directory has two names svscan takes as it is.
    pub(super) fn tell_of(&self, finding: &Finding) {
        let has_two_names = match finding {
            Finding::Found { diagnostic, .. } => diagnostic.code == Code::DuplicateName,
            Finding::Mended { .. } => false,
        };
        if self.planner.config.guise.is_none() || !has_two_names {
            report::finding(finding);
        }
    }

    /// A start that failed, in the words of supervise, if abide is to speak as that.
    pub(super) fn say_as_supervise(&self, event: &Event) {
        let (Some(guise), Event::SpawnFailed { instance, failure, .. }) = (&self.planner.config.guise, event) else {
            return;
        };
        let service = instance.service.as_str();
        let directory = match guise {
            Guise::Supervise { directory } => directory.as_str(),
            // That of a logger was started in the directory of its service.
            Guise::Svscan => match self.fleet.accepted(&instance.service) {
                Some(definition) if definition.service.reads.is_some() => "log",
                _ => service,
            },
        };
        match failure {
            Failure::Step { step: Step::Exec, errno, .. } => {
                let why = errno::text(nix::errno::Errno::from_raw(*errno));
                tracing::warn!(target: AS_IT_IS, "supervise: fatal: unable to start {directory}/run: {why}");
            }
            Failure::Prepare(why) if why.starts_with(HELD) => {
                let why = errno::text(nix::errno::Errno::EAGAIN);
                tracing::warn!(
                    target: AS_IT_IS,
                    "supervise: fatal: unable to acquire {directory}/supervise/lock: {why}"
                );
            }
            failure => tracing::warn!(service, "unable to start {directory}: {failure}"),
        }
    }
}
