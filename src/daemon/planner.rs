//! What another directory would change: read and compared on a thread of its own, since what a visitor names may lie
//! on a disk that hangs, and neither the loop nor the files thread waits for it.

use super::past::Readers;
use crate::api::call::{Answer, Planned};
use crate::decide::diff::Powers;
use crate::decide::judge::judge_all;
use crate::decide::plan::plan;
use crate::host::sys::memory;
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::Diagnostic;
use crate::model::name::ServiceName;
use crate::model::service::{Kind, Service};
use crate::source::Surroundings;
use crate::source::config::Config;
use crate::source::load::load_of;
use crate::source::once::{ReadAll, read_all};
use crate::source::trust::Trust;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many may be under way: each may hang for ever.
const AT_ONCE: usize = 4;

/// What is in force, by name.
pub(super) type InForce = BTreeMap<ServiceName, Arc<Definition>>;

/// What it takes to read a directory as abide itself would.
#[derive(Debug)]
pub(super) struct Planner {
    /// The machine, as at the start.
    pub(super) around: Arc<Surroundings>,
    /// `abide.toml`, as last accepted.
    pub(super) config: Arc<Config>,
    pub(super) config_path: PathBuf,
    pub(super) powers: Powers,
    /// Who reads what services were.
    pub(super) readers: Readers,
    /// One more of these for each that is under way.
    under_way: Arc<()>,
}

/// One plan that is being made.
struct Errand {
    around: Arc<Surroundings>,
    config: Arc<Config>,
    config_path: PathBuf,
    powers: Powers,
    directory: PathBuf,
    in_force: InForce,
}

impl Planner {
    pub(super) fn new(around: Surroundings, config: Config, config_path: PathBuf) -> Self {
        let powers = Powers { may_raise: around.ceilings.may_raise, uid: around.uid };
        Self {
            around: Arc::new(around),
            config: Arc::new(config),
            config_path,
            powers,
            readers: Readers::default(),
            under_way: Arc::default(),
        }
    }

    /// What it takes to get from what is `in_force` to what `directory` says. Answered by the thread that finds out.
    pub(super) fn plan(&self, directory: PathBuf, in_force: InForce, answer: Answer<Result<Planned, String>>) {
        let shown = directory.display();
        let refusal = if directory.is_relative() {
            Some(format!("{shown} is a relative path, and abide is in another directory than you: name the whole path"))
        } else if Arc::strong_count(&self.under_way) > AT_ONCE {
            Some(format!("{AT_ONCE} plans are being made already, and take their time: ask again later"))
        } else {
            None
        };
        // Who does not wait any more is no error, here and below.
        if let Some(refusal) = refusal {
            let _ = answer.send(Err(refusal));
            return;
        }
        let errand = Errand {
            around: Arc::clone(&self.around),
            config: Arc::clone(&self.config),
            config_path: self.config_path.clone(),
            powers: self.powers,
            directory,
            in_force,
        };
        let under_way = Arc::clone(&self.under_way);
        let thread = std::thread::Builder::new().name("plan".into()).spawn(move || {
            let _ = answer.send(errand.run());
            memory::give_back();
            drop(under_way);
        });
        if let Err(error) = thread {
            tracing::error!(cause = %error, "no thread can be had for a plan");
        }
    }
}

impl Errand {
    fn run(self) -> Result<Planned, String> {
        let Self { around, config, config_path, powers, directory, in_force } = self;
        if !directory.is_dir() {
            return Err(format!("{} is no directory: name one with services", directory.display()));
        }
        let mut loader = load_of(&around, &config);
        let mut reading = read_all(
            std::slice::from_ref(&directory),
            &config_path,
            (&Trust::new(around.uid).with_groups(&config.trusted_groups), &config.sources),
            &mut loader,
        );
        judge_all(&mut reading.entries, &reading.beside);
        let findings = errors(&reading);
        let new: BTreeMap<ServiceName, Service> =
            reading.entries.into_iter().filter_map(|entry| planned(entry, &in_force, &directory)).collect();
        let names: BTreeSet<&ServiceName> = in_force.keys().chain(new.keys()).collect();
        let old = |name: &ServiceName| in_force.get(name).map(|definition| &definition.service);
        Ok(Planned { plan: plan(old, |name| new.get(name), names, &powers), findings })
    }
}

fn errors(reading: &ReadAll) -> Vec<Diagnostic> {
    let of_services = reading.entries.iter().flat_map(|(_, entry)| &entry.diagnostics);
    reading.problems.iter().chain(of_services).filter(|finding| finding.is_error()).cloned().collect()
}

/// What would hold of this one: of whose new file is bad, what is in force.
fn planned(
    (name, entry): (ServiceName, Entry),
    in_force: &InForce,
    directory: &Path,
) -> Option<(ServiceName, Service)> {
    let old = in_force.get(&name).map(|definition| &definition.service);
    let Some(definition) = entry.service else { return Some((name, old?.clone())) };
    let mut service = definition.service.clone();
    if let Some(old) = old.filter(|old| [old.kind, service.kind] == [Kind::Daemontools; 2])
        && lies_in(&service.directory, directory)
    {
        // It is its own working directory; where the tree lies that is compared is no difference.
        service.directory.clone_from(&old.directory);
    }
    Some((name, service))
}

fn lies_in(working: &str, directory: &Path) -> bool {
    let resolved = directory.canonicalize().ok().and_then(|path| Some(path.to_str()?.replace('$', "$$")));
    resolved.is_some_and(|path| working.strip_prefix(&path).is_some_and(|below| below.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::limits::ceilings_of;
    use crate::model::plan::Action;
    use std::fs;
    use tokio::sync::oneshot::channel;

    fn planner() -> Planner {
        let around = crate::source::surroundings(ceilings_of(None).unwrap(), false, true);
        Planner::new(around, Config::default(), PathBuf::from("/nowhere/abide.toml"))
    }

    fn ask(planner: &Planner, directory: PathBuf, in_force: InForce) -> Result<Planned, String> {
        let (answer, comes) = channel();
        planner.plan(directory, in_force, answer);
        comes.blocking_recv().expect("it answers")
    }

    #[test]
    fn a_plan_leads_from_what_is_in_force_to_what_the_directory_says() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
        write("web.toml", "command = [\"/bin/sleep\", \"1\"]\n");
        write("gone.toml", "command = [\"/bin/sleep\", \"1\"]\n");
        let (around, config) = (planner().around, Config::default());
        let mut loader = load_of(&around, &config);
        let here = [place.path().to_owned()];
        let trust = Trust::new(planner().around.uid);
        let read = read_all(&here, Path::new("/nowhere"), (&trust, &[]), &mut loader).entries;
        let in_force: InForce = read.into_iter().filter_map(|(name, entry)| Some((name, entry.service?))).collect();
        assert_eq!(ask(&planner(), place.path().into(), in_force.clone()).expect("it is read").plan.steps, []);
        write("web.toml", "command = [\"/bin/sleep\", \"2\"]\n");
        write("new.toml", "command = [\"/bin/sleep\", \"1\"]\n");
        write("bad.toml", "command = ");
        fs::remove_file(place.path().join("gone.toml")).unwrap();
        let Planned { plan, findings } = ask(&planner(), place.path().into(), in_force).expect("it is read");
        let steps: Vec<_> = plan.steps.iter().map(|step| (step.service.as_str(), step.action)).collect();
        assert_eq!(steps, [("gone", Action::Stop), ("new", Action::Start), ("web", Action::Restart)]);
        assert_eq!(findings.len(), 1, "{findings:#?}");
    }

    #[test]
    fn what_is_no_directory_or_could_be_any_is_refused() {
        let refused = |path: &str| ask(&planner(), path.into(), InForce::new()).expect_err("it is refused");
        assert!(refused("services.d").contains("name the whole path"));
        assert!(refused("/nowhere/at/all").contains("is no directory"));
    }
}
