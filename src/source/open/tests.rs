//! Walking to files, in real directories.

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

struct Bench {
    root: tempfile::TempDir,
    trust: Trust,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root, trust: Trust::new(nix::unistd::geteuid().as_raw()) }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fn open(&self, name: &str) -> Result<OpenFile, OpenError> {
        let directory = Directory::open(self.root.path(), &self.trust).unwrap();
        directory.file(OsStr::new(name), &self.trust)
    }
}

#[test]
fn links_are_followed_step_by_step_and_named() {
    let bench = Bench::new();
    fs::create_dir(bench.path("..v1")).unwrap();
    bench.put("..v1/x.toml", "1");
    symlink("..v1", bench.path("..data")).unwrap();
    symlink("..data/x.toml", bench.path("x.toml")).unwrap();
    let file = bench.open("x.toml").unwrap();
    assert_eq!(file.stat.st_size, 1);
    let names: Vec<_> = file.links.iter().map(|link| link.name.to_str().unwrap()).collect();
    assert_eq!(names, ["x.toml", "..data", "x.toml"]);
    assert!(file.links[2].directory.ends_with("..v1"));
}

#[test]
fn what_is_no_regular_file_is_refused_without_blocking() {
    let bench = Bench::new();
    nix::unistd::mkfifo(&bench.path("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("socket")).unwrap();
    fs::create_dir(bench.path("directory")).unwrap();
    symlink("/dev/null", bench.path("device")).unwrap();
    symlink("circle", bench.path("circle")).unwrap();
    symlink("nowhere", bench.path("dangling")).unwrap();
    assert_eq!(bench.open("fifo").unwrap_err(), OpenError::NotAFile("FIFO"));
    assert_eq!(bench.open("socket").unwrap_err(), OpenError::NotAFile("socket"));
    assert_eq!(bench.open("directory").unwrap_err(), OpenError::NotAFile("directory"));
    assert_eq!(bench.open("device").unwrap_err(), OpenError::NotAFile("device"));
    assert_eq!(bench.open("circle").unwrap_err(), OpenError::Circle);
    assert_eq!(bench.open("dangling").unwrap_err(), OpenError::Dangling("nowhere".into()));
    assert_eq!(bench.open("nothing").unwrap_err(), OpenError::Absent);
}

#[test]
fn what_others_may_write_is_refused_wherever_it_is_on_the_way() {
    let bench = Bench::new();
    bench.put("x.toml", "1");
    fs::set_permissions(bench.path("x.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(bench.open("x.toml"), Err(OpenError::Refused(_))));
    fs::create_dir_all(bench.path("open/inner")).unwrap();
    bench.put("open/inner/y.toml", "1");
    fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    symlink("open/inner/y.toml", bench.path("y.toml")).unwrap();
    let OpenError::Refused(refusal) = bench.open("y.toml").unwrap_err() else { panic!("refused") };
    assert!(refusal.path.ends_with("open"), "{refusal:?}");
    assert!(refusal.why.contains("by everybody"), "{refusal:?}");
    let inner = Directory::open(&bench.path("open/inner"), &bench.trust).unwrap_err();
    assert!(matches!(inner, OpenError::Refused(_)));
}

#[test]
fn a_directory_behind_links_knows_where_it_is() {
    let bench = Bench::new();
    fs::create_dir(bench.path("v1")).unwrap();
    symlink("v1", bench.path("current")).unwrap();
    let directory = Directory::open(&bench.path("current"), &bench.trust).unwrap();
    assert!(directory.path.ends_with("v1"));
    assert_eq!(directory.links.len(), 1);
    bench.put("file", "");
    let error = Directory::open(&bench.path("file"), &bench.trust).unwrap_err();
    assert!(matches!(error, OpenError::NotADirectory(_)), "{error}");
}
