//! The versions of a service that were in force: read and compared on a thread of its own, since the disk that they lie
//! on may hang, and the loop does not wait for it.

use crate::api::call::Answer;
use crate::decide::diff::{Powers, diff};
use crate::model::history::{Difference, History, KeptVersion, NoVersion, PastVersion};
use crate::model::name::ServiceName;
use crate::model::service::{Service, Version};
use crate::store::versions;
use std::path::PathBuf;
use std::sync::Arc;

/// So many may be under way: each may hang for ever.
const AT_ONCE: usize = 16;

/// How many look at versions.
#[derive(Debug, Default)]
pub(super) struct Readers(Arc<()>);

/// What a look at the versions of one service needs.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) service: ServiceName,
    /// The state directory.
    pub(super) state: PathBuf,
    /// What is in force.
    pub(super) in_force: Option<Version>,
    pub(super) powers: Powers,
}

impl Readers {
    /// Has `question` answered about `past`. Who does not wait any more is no error.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        past: Past,
        answer: Answer<Result<T, NoVersion>>,
        question: impl FnOnce(&Past) -> Result<T, NoVersion> + Send + 'static,
    ) {
        if Arc::strong_count(&self.0) > AT_ONCE {
            let _ = answer.send(Err(NoVersion("too many look at versions already: ask again later".to_owned())));
            return;
        }
        let under_way = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("past".into()).spawn(move || {
            let _ = answer.send(question(&past));
            drop(under_way);
        });
        if let Err(error) = thread {
            tracing::error!(cause = %error, "no thread can be had to read versions");
        }
    }
}

impl Past {
    /// All versions that are kept, the newest last.
    pub(super) fn history(&self) -> Result<History, NoVersion> {
        let known = self.read()?;
        let newest = self.current(&known);
        let before = std::iter::once(None).chain(known.iter().map(|version| Some(&version.service)));
        let line = |(at, (version, before)): (usize, (&KeptVersion, Option<&Service>))| PastVersion {
            version: version.version.short(),
            at: version.at,
            cause: version.cause.clone(),
            file: version.file.display().to_string(),
            file_hash: version.file_hash.map(|hash| hash.to_string()),
            in_force: Some(at) == newest,
            changes: before.map_or_else(Vec::new, |before| diff(before, &version.service, &self.powers)),
        };
        let versions = known.iter().zip(before).enumerate().map(line).collect();
        Ok(History { service: self.service.clone(), versions })
    }

    /// What differs: without `to` from the version in force, without `from` from the one before `to`.
    pub(super) fn difference(&self, from: Option<&str>, to: Option<&str>) -> Result<Difference, NoVersion> {
        let known = self.read()?;
        let to = match to {
            Some(digest) => find(&known, digest)?,
            None => self.current(&known).ok_or_else(|| no("no version of it is in force"))?,
        };
        let from = match from {
            Some(digest) => find(&known, digest)?,
            None => earlier(&known, to).ok_or_else(|| no("no earlier version of it is known"))?,
        };
        let (from, to) = (&known[from], &known[to]);
        let changes = diff(&from.service, &to.service, &self.powers);
        Ok(Difference { service: self.service.clone(), from: from.version.short(), to: to.version.short(), changes })
    }

    /// The version to go back to.
    pub(super) fn choose(&self, to: Option<&str>) -> Result<Box<Service>, NoVersion> {
        let known = self.read()?;
        let at = match (to, self.current(&known)) {
            (Some(digest), _) => find(&known, digest)?,
            (None, None) => return Err(no("has no version in force to go back from")),
            (None, Some(current)) => {
                earlier(&known, current).ok_or_else(|| no("has no earlier version that is known"))?
            }
        };
        Ok(Box::new(known[at].service.clone()))
    }

    fn read(&self) -> Result<Vec<KeptVersion>, NoVersion> {
        let read = versions::read(&self.state, &self.service);
        read.map_err(|error| NoVersion(format!("the versions of {} cannot be read: {error}", self.service)))
    }

    fn current(&self, known: &[KeptVersion]) -> Option<usize> {
        known.iter().rposition(|version| Some(version.version) == self.in_force)
    }
}

/// The version before `at` that is another one.
fn earlier(known: &[KeptVersion], at: usize) -> Option<usize> {
    known[..at].iter().rposition(|version| version.version != known[at].version)
}

fn find(known: &[KeptVersion], digest: &str) -> Result<usize, NoVersion> {
    let begins = |version: &KeptVersion| version.version.short().starts_with(digest);
    let found = (!digest.is_empty()).then(|| known.iter().rposition(begins)).flatten();
    found.ok_or_else(|| {
        NoVersion(format!("no version is known that begins with {digest:?}; `abide history` lists them"))
    })
}

fn no(why: &str) -> NoVersion {
    NoVersion(why.to_owned())
}
