//! The files thread in real directories, with the kernel's events: what people and programs do to
//! files, and the deltas that must come of it. The loader is a fake: a text that begins with `bad`
//! is an error, any other is a service that says it.

use super::*;
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::Code;
use crate::model::logging::LogPolicy;
use crate::model::name::ServiceName;
use crate::model::policy::{RestartPolicy, StopPolicy};
use crate::model::service::{Identity, Kind, Run, Service, Version};
use crate::model::status::Mechanism;
use crate::model::status::SourceState;
use crate::source::Material;
use crate::source::configuration::Timing;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

const LONG: Duration = Duration::from_secs(10);

/// A directory `services` in a directory of its own, and an abide that watches it.
struct Bench {
    root: tempfile::TempDir,
    deltas: Option<(Handle, Receiver<Delta>)>,
    /// What runs according to the deltas: what each service says, or its errors.
    desired: BTreeMap<String, Result<String, Vec<Code>>>,
    counts: BTreeMap<String, usize>,
    last: Delta,
    problems: Vec<Diagnostic>,
    sources: Vec<SourceStatus>,
    ignored: Vec<String>,
}

#[derive(Clone)]
struct Config {
    greeting: String,
    timing: Timing,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::Builder::new().prefix("abide-watch").tempdir().unwrap();
        fs::create_dir(root.path().join("services")).unwrap();
        Self {
            root,
            deltas: None,
            desired: BTreeMap::new(),
            counts: BTreeMap::new(),
            last: Delta::default(),
            problems: Vec::new(),
            sources: Vec::new(),
            ignored: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("services").join(name)
    }

    fn put(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    /// As deployment tools do it: written beside, renamed into place.
    fn rename_in(&self, name: &str, text: &str) {
        let stage = self.root.path().join("stage");
        write(&stage, text);
        fs::rename(stage, self.path(name)).unwrap();
    }

    fn start(&mut self) {
        let directories = vec![self.root.path().join("services")];
        self.start_with(directories, Some(Duration::from_secs(3600)), Watch::new);
    }

    fn start_with(
        &mut self,
        directories: Vec<PathBuf>,
        rescan: Option<Duration>,
        watch: impl FnOnce(Arc<Mailbox>) -> Watch + Send + 'static,
    ) {
        let timing = Timing { rescan, grace: Duration::from_millis(600) };
        let config_path = self.root.path().join("abide.toml");
        let uid = nix::unistd::geteuid().as_raw();
        let text = crate::source::configuration::read_config(&config_path, uid).unwrap();
        let config = Config { greeting: text.as_ref().map(greeting).unwrap_or_default(), timing };
        let (send, deltas) = channel();
        let setup = Setup {
            directories,
            config_path,
            config,
            config_text: text,
            state_directory: Some(self.root.path().join("state")),
            uid,
            loader: loader(timing),
        };
        let handle = spawn(setup, move |delta| drop(send.send(delta)), watch).unwrap();
        self.deltas = Some((handle, deltas));
        assert!(self.next(LONG), "the first delta comes even if it is empty");
    }

    /// Takes one delta.
    fn next(&mut self, patience: Duration) -> bool {
        let (_, deltas) = self.deltas.as_ref().unwrap();
        let delta = match deltas.recv_timeout(patience) {
            Ok(delta) => delta,
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => panic!("the files thread is gone"),
        };
        for (name, entry) in &delta.changes {
            *self.counts.entry(name.to_string()).or_default() += 1;
            let said = entry.as_ref().map(|entry| match &entry.service {
                Some(definition) => Ok(definition.service.description.clone().unwrap()),
                None => Err(entry.diagnostics.iter().map(|finding| finding.code).collect()),
            });
            match said {
                Some(said) => self.desired.insert(name.to_string(), said),
                None => self.desired.remove(name.as_str()),
            };
        }
        self.sources = delta.sources.clone().unwrap_or(std::mem::take(&mut self.sources));
        self.problems = delta.problems.clone().unwrap_or(std::mem::take(&mut self.problems));
        if let Some(ignored) = &delta.ignored {
            self.ignored = ignored.iter().map(|entry| entry.path.clone()).collect();
        }
        self.last = delta;
        true
    }

    /// Takes deltas until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LONG;
        while !done(self) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(self.next(left), "{what}: {:?} {:?} {:?}", self.desired, self.sources, self.problems);
        }
    }

    fn until_says(&mut self, name: &str, text: &str) {
        let text = text.to_owned();
        self.until(&format!("{name} says {text}"), move |bench| bench.says(name) == Some(&text));
    }

    fn says(&self, name: &str) -> Option<&String> {
        self.desired.get(name).and_then(|said| said.as_ref().ok())
    }

    fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Everything that was done before has been noticed, and said if there was anything to say.
    fn settle(&mut self, probe: &str) {
        self.rename_in(&format!("{probe}.toml"), probe);
        self.until_says(probe, probe);
    }

    /// Nothing but what `allowed` names changes for a while that is longer than any grace here.
    fn stays_quiet(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        while self.next(end.saturating_duration_since(Instant::now())) {
            assert!(self.last.changes.is_empty(), "{:?}", self.last.changes);
        }
    }
}

fn write(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    file.set_permissions(fs::Permissions::from_mode(mode)).unwrap();
}

fn greeting(text: &Text) -> String {
    String::from_utf8(text.bytes.clone()).unwrap()
}

fn loader(timing: Timing) -> Loader<Config> {
    Loader {
        parse: Box::new(move |text| {
            let greeting = greeting(text);
            if greeting.starts_with("bad") {
                return (None, vec![Diagnostic::error(&text.path, Code::Syntax, "it is bad")]);
            }
            (Some(Config { greeting, timing }), Vec::new())
        }),
        load: Box::new(|config, name, material| load(&config.greeting, name, material)),
        timing: |config| config.timing,
        accepted: Box::new(|_| {}),
    }
}

fn load(greeting: &str, name: &ServiceName, material: &Material) -> Entry {
    let (kind, file, texts) = match material {
        Material::Toml { main, drop_ins } => {
            (Kind::Toml, &main.path, std::iter::once(main).chain(drop_ins).collect::<Vec<_>>())
        }
        Material::Daemontools { run, .. } => (Kind::Daemontools, &run.path, vec![run]),
    };
    let down = matches!(material, Material::Daemontools { down: true, .. });
    let mut said: String = texts.iter().map(|text| String::from_utf8_lossy(&text.bytes)).collect();
    said.insert_str(0, greeting);
    let bad = said.contains("bad");
    if down {
        said.push_str(" (down)");
    }
    let service = Service {
        name: name.clone(),
        kind,
        description: Some(said.clone()),
        enabled: !down,
        instances: 1,
        run: Run::Script(said),
        content: None,
        directory: "/".into(),
        identity: Identity { uid: 0, gid: 0, groups: vec![], change: false, user: "root".into() },
        umask: 0o022,
        base: Arc::default(),
        environment: BTreeMap::new(),
        restart: RestartPolicy::default(),
        stop: StopPolicy::default(),
        limits: BTreeMap::default(),
        log: LogPolicy::default(),
    };
    Entry {
        file: file.clone(),
        drop_ins: texts[1..].iter().map(|text| text.path.clone()).collect(),
        kind,
        file_hash: None::<Version>,
        service: (!bad).then(|| Arc::new(Definition::from(service))),
        diagnostics: if bad { vec![Diagnostic::error(file, Code::Syntax, "it is bad")] } else { vec![] },
    }
}

#[test]
fn what_is_there_comes_with_the_first_delta() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.put("b.toml", "2");
    bench.put("c.toml~", "debris");
    bench.start();
    bench.until_says("a", "1");
    bench.until_says("b", "2");
    assert_eq!(bench.sources[0].state, SourceState::Ok);
    assert_eq!(bench.sources[0].mechanism, Mechanism::Inotify);
    assert_eq!(bench.desired.len(), 2);
    let mut empty = Bench::new();
    empty.start();
    assert_eq!(empty.last.generation, 0);
    assert_eq!(empty.sources.len(), 1);
}

#[test]
fn a_rename_into_place_is_told_at_once_and_a_copy_soon() {
    let mut bench = Bench::new();
    bench.start();
    bench.rename_in("a.toml", "1");
    bench.until_says("a", "1");
    bench.put("a.toml", "2");
    bench.until_says("a", "2");
    assert_eq!(bench.count("a"), 2);
    assert_eq!(bench.sources[0].entries, 1);
}

#[test]
fn a_touch_or_an_equal_copy_says_nothing() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    bench.put("a.toml", "1");
    bench.rename_in("a.toml", "1");
    fs::set_permissions(bench.path("a.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    bench.settle("probe");
    bench.settle("probe2");
    assert_eq!(bench.count("a"), 1);
}

#[test]
fn a_slow_writer_is_read_once_it_closes() {
    let mut bench = Bench::new();
    bench.start();
    let mut writer = fs::File::create(bench.path("slow.toml")).unwrap();
    writer.write_all(b"half").unwrap();
    bench.stays_quiet(Duration::from_millis(500));
    writer.write_all(b" and half").unwrap();
    drop(writer);
    bench.until_says("slow", "half and half");
    assert_eq!(bench.count("slow"), 1);
}

#[test]
fn a_writer_at_work_when_abide_starts_is_waited_for() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    let mut writer = fs::File::create(bench.path("slow.toml")).unwrap();
    writer.write_all(b"half").unwrap();
    bench.start();
    bench.until_says("a", "1");
    assert_eq!(bench.desired.len(), 1);
    writer.write_all(b" and half").unwrap();
    drop(writer);
    bench.until_says("slow", "half and half");
}

#[test]
fn a_removed_file_is_gone_after_its_grace_and_one_that_returns_is_not() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.put("b.toml", "2");
    bench.start();
    bench.until_says("b", "2");
    fs::remove_file(bench.path("a.toml")).unwrap();
    fs::remove_file(bench.path("b.toml")).unwrap();
    bench.put("b.toml", "2");
    bench.until("a is gone", |bench| !bench.desired.contains_key("a"));
    bench.stays_quiet(Duration::from_secs(1));
    assert_eq!(bench.count("b"), 1);
}

#[test]
fn a_renamed_file_stops_one_and_starts_the_other_in_one_delta() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    fs::rename(bench.path("a.toml"), bench.path("b.toml")).unwrap();
    bench.until_says("b", "1");
    let names: Vec<_> = bench.last.changes.iter().map(|(name, entry)| (name.as_str(), entry.is_some())).collect();
    assert_eq!(names, [("a", false), ("b", true)]);
}

#[test]
fn an_error_is_told_after_a_second_and_its_mending_at_once() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    let before = Instant::now();
    bench.rename_in("a.toml", "bad");
    bench.until("a is bad", |bench| bench.desired["a"].is_err());
    assert!(before.elapsed() >= Duration::from_millis(950));
    bench.rename_in("a.toml", "1");
    bench.until_says("a", "1");
    bench.rename_in("a.toml", "bad again");
    bench.rename_in("a.toml", "2");
    bench.until_says("a", "2");
    assert_eq!(bench.count("a"), 4, "an error that was mended within its second is not told");
}

#[test]
fn what_others_may_write_is_refused_and_taken_once_they_may_not() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    fs::set_permissions(bench.path("a.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    bench.until("refused", |bench| bench.desired["a"] == Err(vec![Code::Untrusted]));
    fs::set_permissions(bench.path("a.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.until_says("a", "1");
}

#[test]
fn odd_things_are_errors_of_their_own_and_block_nothing() {
    let mut bench = Bench::new();
    nix::unistd::mkfifo(&bench.path("fifo.toml"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    fs::create_dir(bench.path("directory.toml")).unwrap();
    fs::File::create(bench.path("large.toml")).unwrap().set_len(100 << 20).unwrap();
    symlink("circle.toml", bench.path("circle.toml")).unwrap();
    symlink("/nowhere/at/all", bench.path("dangling.toml")).unwrap();
    bench.put("with space.toml", "x");
    bench.put("with\nnewline.toml", "x");
    bench.put(&format!("{}.toml", "n".repeat(250)), "x");
    bench.put("README", "x");
    bench.start();
    bench.until("all are named", |bench| bench.desired.len() == 5 && bench.problems.len() == 3);
    let code = |name: &str| bench.desired[name].clone().unwrap_err()[0];
    assert_eq!(code("fifo"), Code::NotAFile);
    assert_eq!(code("directory"), Code::NotAFile);
    assert_eq!(code("large"), Code::TooLarge);
    assert_eq!(code("circle"), Code::Unreadable);
    assert_eq!(code("dangling"), Code::Unreadable);
    assert!(bench.problems.iter().any(|problem| problem.file.ends_with("with\\nnewline.toml")), "{:?}", bench.problems);
    assert!(bench.ignored.is_empty(), "strays are named after five seconds");
    bench.until("README is named", |bench| bench.ignored.len() == 1);
    bench.settle("fine");
}

#[test]
fn of_two_entries_for_one_name_the_first_wins_and_the_loser_touches_nothing() {
    let mut bench = Bench::new();
    bench.put("web.toml", "toml");
    bench.start();
    bench.until_says("web", "toml");
    fs::create_dir(bench.path("web")).unwrap();
    bench.put("web/run", "#!legacy");
    bench.until("named", |bench| bench.problems.iter().any(|problem| problem.code == Code::DuplicateName));
    assert_eq!(bench.count("web"), 1);
    fs::remove_file(bench.path("web.toml")).unwrap();
    bench.until_says("web", "#!legacy");
    bench.until("no more duplicate", |bench| bench.problems.is_empty());
    assert_eq!(bench.count("web"), 2, "it never was without an entry");
}

#[test]
fn legacy_directories_follow_their_run_and_down() {
    let mut bench = Bench::new();
    let stage = bench.root.path().join("old");
    fs::create_dir(&stage).unwrap();
    write(&stage.join("run"), "#!1");
    bench.start();
    symlink(&stage, bench.path("old")).unwrap();
    bench.until_says("old", "#!1");
    write(&stage.join("down"), "");
    bench.until_says("old", "#!1 (down)");
    fs::remove_file(stage.join("down")).unwrap();
    bench.until_says("old", "#!1");
    write(&stage.join("run"), "#!2");
    bench.until_says("old", "#!2");
    fs::set_permissions(stage.join("run"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.until("not executable", |bench| bench.desired["old"] == Err(vec![Code::NoProgram]));
    fs::set_permissions(stage.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.until_says("old", "#!2");
    fs::remove_file(stage.join("run")).unwrap();
    bench.until("gone", |bench| bench.desired.is_empty());
}

#[test]
fn drop_ins_are_laid_over_their_file() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    fs::create_dir(bench.path("a.toml.d")).unwrap();
    bench.put("a.toml.d/20.toml", "+20");
    bench.start();
    bench.until_says("a", "1+20");
    bench.put("a.toml.d/10.toml", "+10");
    bench.until_says("a", "1+10+20");
    fs::remove_dir_all(bench.path("a.toml.d")).unwrap();
    bench.until_says("a", "1");
    fs::create_dir(bench.path("a.toml.d")).unwrap();
    bench.put("a.toml.d/30.toml", "+30");
    bench.until_says("a", "1+30");
}

#[test]
fn editing_the_target_of_a_link_is_noticed() {
    let mut bench = Bench::new();
    let target = bench.root.path().join("target");
    write(&target, "1");
    bench.start();
    symlink(&target, bench.path("a.toml")).unwrap();
    bench.until_says("a", "1");
    write(&target, "2");
    bench.until_says("a", "2");
}

#[test]
fn a_configmap_swap_is_one_generation() {
    let mut bench = Bench::new();
    let fill = |version: &str, texts: [&str; 2]| {
        fs::create_dir(bench.path(version)).unwrap();
        bench.put(&format!("{version}/a.toml"), texts[0]);
        bench.put(&format!("{version}/b.toml"), texts[1]);
        symlink(version, bench.path("..data_tmp")).unwrap();
        fs::rename(bench.path("..data_tmp"), bench.path("..data")).unwrap();
    };
    fill("..v1", ["a1", "b1"]);
    symlink("..data/a.toml", bench.path("a.toml")).unwrap();
    symlink("..data/b.toml", bench.path("b.toml")).unwrap();
    let (services, root) = (bench.path(""), bench.root.path().to_owned());
    bench.start();
    bench.until_says("b", "b1");
    fs::create_dir(services.join("..v2")).unwrap();
    write(&services.join("..v2/a.toml"), "a2");
    write(&services.join("..v2/b.toml"), "b2");
    symlink("..v2", services.join("..data_tmp")).unwrap();
    fs::rename(services.join("..data_tmp"), services.join("..data")).unwrap();
    fs::remove_dir_all(services.join("..v1")).unwrap();
    bench.until_says("a", "a2");
    assert_eq!(bench.says("b").unwrap(), "b2", "both in one delta");
    assert!(root.exists());
}

#[test]
fn a_swapped_directory_link_leads_to_the_new_tree() {
    let mut bench = Bench::new();
    let root = bench.root.path().to_owned();
    for (version, text) in [("v1", "1"), ("v2", "2")] {
        fs::create_dir(root.join(version)).unwrap();
        write(&root.join(version).join("a.toml"), text);
        write(&root.join(version).join("same.toml"), "same");
    }
    symlink("v1", root.join("current")).unwrap();
    bench.start_with(vec![root.join("current")], None, Watch::new);
    bench.until_says("same", "same");
    symlink("v2", root.join("next")).unwrap();
    fs::rename(root.join("next"), root.join("current")).unwrap();
    bench.until_says("a", "2");
    write(&root.join("v2/a.toml"), "3");
    bench.until_says("a", "3");
    assert_eq!(bench.count("same"), 1);
}

#[test]
fn a_directory_that_goes_away_stops_nothing_and_is_taken_up_again() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.put("b.toml", "2");
    bench.start();
    bench.until_says("b", "2");
    let (services, away) = (bench.path(""), bench.root.path().join("away"));
    fs::rename(&services, &away).unwrap();
    bench.until("absent", |bench| bench.sources[0].state == SourceState::Absent);
    fs::create_dir(&services).unwrap();
    bench.until("suspect", |bench| bench.sources[0].state == SourceState::Suspect);
    bench.stays_quiet(Duration::from_secs(1));
    bench.put("a.toml", "1");
    bench.put("b.toml", "3");
    bench.until_says("b", "3");
    bench.until("well again", |bench| bench.sources[0].state == SourceState::Ok);
    assert_eq!(bench.count("a"), 1);
    bench.settle("probe");
    fs::remove_dir_all(&services).unwrap();
    bench.until("absent", |bench| bench.sources[0].state == SourceState::Absent);
    bench.stays_quiet(Duration::from_secs(1));
    assert_eq!(bench.desired.len(), 3);
}

#[test]
fn a_missing_directory_is_made_unless_something_was_accepted_from_it() {
    let mut bench = Bench::new();
    let services = bench.path("");
    fs::remove_dir(&services).unwrap();
    bench.start();
    assert!(services.is_dir());
    bench.settle("a");
    bench.deltas = None;
    fs::remove_dir_all(&services).unwrap();
    bench.start();
    assert!(!services.exists());
    assert_eq!(bench.sources[0].state, SourceState::Absent);
    fs::create_dir(&services).unwrap();
    bench.until("there again", |bench| bench.sources[0].state == SourceState::Ok);
}

#[test]
fn a_path_that_is_a_file_or_untrusted_is_suspect_and_others_go_on() {
    let mut bench = Bench::new();
    let root = bench.root.path().to_owned();
    write(&root.join("file"), "x");
    fs::create_dir(root.join("open")).unwrap();
    fs::set_permissions(root.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    bench.put("a.toml", "1");
    bench.start_with(vec![root.join("file"), root.join("open"), root.join("services")], None, Watch::new);
    bench.until_says("a", "1");
    assert_eq!(bench.sources[0].state, SourceState::Suspect);
    assert!(bench.sources[0].reason.as_ref().unwrap().contains("not a directory"));
    assert_eq!(bench.sources[1].state, SourceState::Suspect);
    assert!(bench.sources[1].reason.as_ref().unwrap().contains("chmod go-w"), "{:?}", bench.sources[1]);
    assert_eq!(bench.sources[2].state, SourceState::Ok);
}

#[test]
fn without_events_changes_are_found_by_polling() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    let directories = vec![bench.path("")];
    bench.start_with(directories, None, |mailbox| Watch::polled(mailbox, "no events today"));
    bench.until_says("a", "1");
    assert_eq!((bench.sources[0].state, bench.sources[0].mechanism), (SourceState::Degraded, Mechanism::Poll));
    bench.put("a.toml", "2");
    bench.until_says("a", "2");
    fs::remove_file(bench.path("a.toml")).unwrap();
    bench.until("gone", |bench| bench.desired.is_empty());
}

#[test]
fn a_safety_scan_finds_and_counts_what_no_event_told() {
    let mut bench = Bench::new();
    let elsewhere = bench.root.path().join("elsewhere");
    bench.put("a.toml", "1");
    fs::hard_link(bench.path("a.toml"), &elsewhere).unwrap();
    let directories = vec![bench.path("")];
    bench.start_with(directories, Some(Duration::from_millis(500)), Watch::new);
    bench.until_says("a", "1");
    write(&elsewhere, "2");
    bench.until_says("a", "2");
    assert_eq!(bench.sources[0].missed_by_watch, 1);
}

#[test]
fn abide_toml_changes_what_everything_means_and_a_broken_one_does_not() {
    let mut bench = Bench::new();
    let config = bench.root.path().join("abide.toml");
    write(&config, "");
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    write(&config, "hello ");
    bench.until_says("a", "hello 1");
    write(&config, "bad");
    bench.until("named", |bench| bench.problems.len() == 1);
    assert_eq!(bench.says("a").unwrap(), "hello 1");
    write(&config, "hello ");
    bench.until("mended", |bench| bench.problems.is_empty());
    fs::remove_file(&config).unwrap();
    bench.until("gone is a problem", |bench| bench.problems.len() == 1);
    assert_eq!(bench.count("a"), 2);
}

#[test]
fn ways_of_writing_end_in_one_change_each() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    let services = bench.path("");
    let scripts =
        ["sed -i s/1/2/ a.toml", "printf 3 > a.toml; printf 4 >> a.toml", "cp --remove-destination src a.toml"];
    write(&services.join("_src"), "5");
    for (script, says) in scripts.iter().zip(["2", "34", "5"]) {
        let script = script.replace("src", "_src");
        let status = Command::new("sh").arg("-c").arg(&script).current_dir(&services).status().unwrap();
        assert!(status.success());
        bench.until_says("a", says);
    }
    assert_eq!(bench.count("a"), 4);
}

#[test]
fn ten_thousand_files_at_once_are_all_read() {
    let mut bench = Bench::new();
    bench.start();
    for number in 0..10_000 {
        bench.put(&format!("n{number}.toml"), "x");
    }
    bench.until("all", |bench| bench.desired.len() == 10_000);
    let (handle, _) = bench.deltas.as_ref().unwrap();
    handle.rescan();
    bench.settle("probe");
    assert_eq!(bench.count("n77"), 1);
}
