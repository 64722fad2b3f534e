//! A directory of one's own, an abide that watches it, and what it said. The loader is a fake: a
//! text that holds `bad` is an error, any other is a service that says it. What follows `watches` in
//! it are the configuration files of that service.

use crate::model::desired::{Definition, Delta, Entry};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::logging::LogPolicy;
use crate::model::name::ServiceName;
use crate::model::policy::{OnChange, ReloadBy, ReloadPolicy, RestartPolicy, StopPolicy};
use crate::model::service::{Identity, Kind, Run, Service, Version};
use crate::model::signal::Signal;
use crate::model::status::SourceStatus;
use crate::source::configuration::{Loader, Timing, read_config};
use crate::source::watch::{Mailbox, Watch};
use crate::source::worker::{Handle, Setup, spawn};
use crate::source::{Loaded, Material, Text};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(10);

/// A directory `services` in a directory of its own, and an abide that watches it.
pub(super) struct Bench {
    pub(super) root: tempfile::TempDir,
    pub(super) deltas: Option<(Handle, Receiver<Delta>)>,
    pub(super) changed: Option<Receiver<(ServiceName, Vec<String>)>>,
    /// What runs according to the deltas: what each service says, or its errors.
    pub(super) desired: BTreeMap<String, Result<String, Vec<Code>>>,
    counts: BTreeMap<String, usize>,
    pub(super) last: Delta,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) sources: Vec<SourceStatus>,
    pub(super) ignored: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Config {
    greeting: String,
    timing: Timing,
}

impl Bench {
    pub(super) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("abide-watch").tempdir().unwrap();
        fs::create_dir(root.path().join("services")).unwrap();
        Self {
            root,
            deltas: None,
            changed: None,
            desired: BTreeMap::new(),
            counts: BTreeMap::new(),
            last: Delta::default(),
            problems: Vec::new(),
            sources: Vec::new(),
            ignored: Vec::new(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("services").join(name)
    }

    pub(super) fn put(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    /// As deployment tools do it: written beside, renamed into place.
    pub(super) fn rename_in(&self, name: &str, text: &str) {
        let stage = self.root.path().join("stage");
        write(&stage, text);
        fs::rename(stage, self.path(name)).unwrap();
    }

    pub(super) fn start(&mut self) {
        let directories = vec![self.root.path().join("services")];
        self.start_with(directories, Some(Duration::from_secs(3600)), Watch::new);
    }

    pub(super) fn start_with(
        &mut self,
        directories: Vec<PathBuf>,
        rescan: Option<Duration>,
        watch: impl FnOnce(Arc<Mailbox>) -> Watch + Send + 'static,
    ) {
        let timing = Timing { rescan, grace: Duration::from_millis(600), atomic: false };
        let config_path = self.root.path().join("abide.toml");
        let uid = nix::unistd::geteuid().as_raw();
        let text = read_config(&config_path, &crate::source::trust::Trust::new(uid)).unwrap();
        let config = Config { greeting: text.as_ref().map(greeting).unwrap_or_default(), timing };
        let (send, deltas) = channel();
        let (tell, changed) = channel();
        self.changed = Some(changed);
        let setup = Setup {
            directories,
            config_path,
            config,
            config_text: text,
            state_directory: Some(self.root.path().join("state")),
            uid,
            loader: loader(timing),
            guise: None,
            changed: Box::new(move |service, files| drop(tell.send((service, files)))),
        };
        let handle = spawn(setup, move |delta| drop(send.send(delta)), watch).unwrap();
        self.deltas = Some((handle, deltas));
        assert!(self.next(LONG), "the first delta comes even if it is empty");
    }

    /// Takes one delta.
    pub(super) fn next(&mut self, patience: Duration) -> bool {
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
    pub(super) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LONG;
        while !done(self) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(self.next(left), "{what}: {:?} {:?} {:?}", self.desired, self.sources, self.problems);
        }
    }

    pub(super) fn until_says(&mut self, name: &str, text: &str) {
        let text = text.to_owned();
        self.until(&format!("{name} says {text}"), move |bench| bench.says(name) == Some(&text));
    }

    pub(super) fn says(&self, name: &str) -> Option<&String> {
        self.desired.get(name).and_then(|said| said.as_ref().ok())
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Everything that was done before has been noticed, and said if there was anything to say.
    pub(super) fn settle(&mut self, probe: &str) {
        self.rename_in(&format!("{probe}.toml"), probe);
        self.until_says(probe, probe);
    }

    /// `name` is not without an entry at any time.
    pub(super) fn stays_as(&mut self, name: &str, patience: Duration) {
        let end = Instant::now() + patience;
        while self.next(end.saturating_duration_since(Instant::now())) {
            assert!(self.says(name).is_some(), "{:?}", self.last.changes);
        }
    }

    /// Nothing but what `allowed` names changes for a while that is longer than any grace here.
    pub(super) fn stays_quiet(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        while self.next(end.saturating_duration_since(Instant::now())) {
            assert!(self.last.changes.is_empty(), "{:?}", self.last.changes);
        }
    }
}

pub(super) fn write(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    file.set_permissions(fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn greeting(text: &Text) -> String {
    String::from_utf8(text.bytes.clone()).unwrap()
}

pub(super) fn loader(timing: Timing) -> Loader<Config> {
    Loader {
        parse: Box::new(move |text| {
            let greeting = greeting(text);
            if greeting.starts_with("bad") {
                return (None, vec![Diagnostic::error(&text.path, Code::Syntax, "it is bad")]);
            }
            (Some(Config { greeting, timing }), Vec::new())
        }),
        load: Box::new(|config, _, name, material| load(&config.greeting, name, material)),
        trusted: |_| Vec::new(),
        sources: Box::new(|_| Vec::new()),
        timing: |config| config.timing,
        accepted: Box::new(|_| {}),
    }
}

pub(in crate::source::worker) fn load(greeting: &str, name: &ServiceName, material: &Material) -> Loaded {
    let (kind, file, texts) = match material {
        Material::Toml { main, drop_ins } => {
            (Kind::Toml, &main.path, std::iter::once(main).chain(drop_ins).collect::<Vec<_>>())
        }
        Material::Daemontools { service, .. } => (Kind::Daemontools, &service.run.path, vec![&service.run]),
        Material::Supervisord(programs) => {
            (Kind::Supervisord, &programs.texts[0].path, programs.texts.iter().collect())
        }
    };
    let down = matches!(material, Material::Daemontools { service, .. } if service.down);
    let mut said: String = texts.iter().map(|text| String::from_utf8_lossy(&text.bytes)).collect();
    said.insert_str(0, greeting);
    let bad = said.contains("bad");
    if down {
        said.push_str(" (down)");
    }
    let watch: Vec<_> = said.split(' ').skip_while(|word| *word != "watches").skip(1).map(str::to_owned).collect();
    let (how, on_change) = (ReloadBy::Signal(Signal::HUP), OnChange::Reload);
    let reload = ReloadPolicy { how, watch, on_change, timeout: Duration::ZERO };
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
        service_type: crate::model::policy::ServiceType::default(),
        stdin: None,
        reads: None,
        order: None,
        ready: None,
        health: None,
        hooks: None,
        reload: (!reload.watch.is_empty()).then(|| Box::new(reload)),
        resources: None,
        update: None,
        schedule: None,
        security: None,
        program: None,
        delegated: None,
        umask: 0o022,
        base: Arc::new(BTreeMap::from([("CONF".to_owned(), "conf".to_owned())])),
        environment: BTreeMap::new(),
        restart: RestartPolicy::default(),
        stop: StopPolicy::default(),
        limits: BTreeMap::default(),
        log: LogPolicy::default(),
    };
    let entry = Entry {
        file: file.clone(),
        drop_ins: texts[1..].iter().map(|text| text.path.clone()).collect(),
        kind,
        file_hash: None::<Version>,
        service: (!bad).then(|| Arc::new(Definition::from(service))),
        diagnostics: if bad { vec![Diagnostic::error(file, Code::Syntax, "it is bad")] } else { vec![] },
        inputs: Vec::new(),
        delegated: None,
    };
    (name.clone(), entry).into()
}
