//! The versions of each service that were in force, on disk: `versions/web.jsonl`, one a line, the newest last.
//!
//! A line is appended when a version comes into force, and the file is written anew, with the newest of its lines,
//! when there are too many. Nothing waits for the disk here: what a power failure takes is the last seconds.

use crate::model::history::KeptVersion;
use crate::model::name::ServiceName;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The directory, in the state directory.
const DIRECTORY: &str = "versions";
/// In that one, those of services that are gone.
const RETIRED: &str = "retired";
/// Of so many services that are gone the versions are kept: names that come and go do not fill the disk.
const MOST_RETIRED: usize = 1_000;
/// So many of each service are kept.
pub const MOST: usize = 20;
/// A file of more lines than this is written anew.
const TOO_MANY: usize = 2 * MOST;
/// A longer file is none of ours.
const LONGEST: u64 = 64 << 20;

/// A version is not recorded.
#[derive(Debug, thiserror::Error)]
#[error("the version of {service} in force cannot be recorded, and is not known after a reboot: {source} ({})", path.display())]
pub struct NotKept {
    service: ServiceName,
    path: PathBuf,
    source: io::Error,
}

/// Writes down a version that is in force from now on, unless it was the last one already.
pub fn keep(state: &Path, version: &KeptVersion) -> Result<(), NotKept> {
    let service = &version.service.name;
    let path = file(state, service);
    // Back again: if that fails, its history begins anew.
    let _ = fs::rename(retired(state, service), &path);
    append(state, &path, version).map_err(|source| NotKept { service: service.clone(), path, source })
}

fn append(state: &Path, path: &Path, version: &KeptVersion) -> io::Result<()> {
    let mut known = read_lines(path)?;
    if known.last().is_some_and(|last| last.version == version.version && last.file == version.file) {
        return Ok(());
    }
    let line = |version: &KeptVersion| {
        serde_json::to_vec(version).map(|mut line| {
            line.push(b'\n');
            line
        })
    };
    if known.is_empty() {
        DirBuilder::new().recursive(true).mode(0o700).create(state.join(DIRECTORY))?;
    }
    if known.len() < TOO_MANY {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        // One write: half a line ends where a disk is full, and is no line.
        let whole = line(version)?;
        let begun = file.metadata()?.len();
        return file.write_all(&whole).inspect_err(|_| drop(file.set_len(begun)));
    }
    known.drain(..known.len() - (MOST - 1));
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    for version in known.iter().chain([version]) {
        file.write_all(&line(version)?)?;
    }
    fs::rename(&fresh, path)
}

/// The versions of a service that are known, the newest last; none where there never was one. Lines that cannot be
/// read are left out.
pub fn read(state: &Path, service: &ServiceName) -> io::Result<Vec<KeptVersion>> {
    let mut known = read_lines(&file(state, service))?;
    if known.is_empty() {
        known = read_lines(&retired(state, service))?;
    }
    known.drain(..known.len().saturating_sub(MOST));
    Ok(known)
}

/// Puts the versions of a service that is gone with those of others, of which only the latest are kept.
pub fn retire(state: &Path, service: &ServiceName) -> io::Result<()> {
    retire_to(state, service, MOST_RETIRED)
}

fn retire_to(state: &Path, service: &ServiceName, most: usize) -> io::Result<()> {
    let (from, to) = (file(state, service), retired(state, service));
    let directory = state.join(DIRECTORY).join(RETIRED);
    match File::options().append(true).open(&from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // By this it is told which went first.
        file => file?.set_modified(SystemTime::now())?,
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    fs::rename(from, to)?;
    let mut all = Vec::new();
    for entry in fs::read_dir(&directory)? {
        let entry = entry?;
        all.push((entry.metadata()?.modified()?, entry.path()));
    }
    all.sort();
    all.iter().take(all.len().saturating_sub(most)).try_for_each(|(_, path)| fs::remove_file(path))
}

fn retired(state: &Path, service: &ServiceName) -> PathBuf {
    state.join(DIRECTORY).join(RETIRED).join(format!("{service}.jsonl"))
}

fn read_lines(path: &Path) -> io::Result<Vec<KeptVersion>> {
    let file = match OpenOptions::new().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn file(state: &Path, service: &ServiceName) -> PathBuf {
    state.join(DIRECTORY).join(format!("{service}.jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::samples;
    use crate::model::service::{Kind, Run};
    use crate::model::time::Wall;

    fn version(command: &str) -> KeptVersion {
        let mut service = samples::service("web");
        service.run = Run::Command(vec![command.to_owned()]);
        KeptVersion {
            at: Wall(1_000_000),
            version: service.version(),
            cause: "edited".to_owned(),
            file: "web.toml".into(),
            kind: Kind::Toml,
            file_hash: None,
            service,
        }
    }

    #[test]
    fn versions_are_kept_once_and_not_for_ever() {
        let state = tempfile::tempdir().unwrap();
        let web = ServiceName::new("web").unwrap();
        assert_eq!(read(state.path(), &web).unwrap(), Vec::new());
        for _ in 0..3 {
            keep(state.path(), &version("a")).unwrap();
        }
        keep(state.path(), &version("b")).unwrap();
        assert_eq!(read(state.path(), &web).unwrap(), [version("a"), version("b")]);
        for number in 0..200 {
            keep(state.path(), &version(&number.to_string())).unwrap();
        }
        let known = read(state.path(), &web).unwrap();
        assert_eq!((known.len(), known.last()), (MOST, Some(&version("199"))));
        let lines = fs::read(file(state.path(), &web)).unwrap();
        assert!(lines.split(|byte| *byte == b'\n').count() <= TOO_MANY + 1);
    }

    #[test]
    fn half_a_line_is_no_version() {
        let state = tempfile::tempdir().unwrap();
        let web = ServiceName::new("web").unwrap();
        keep(state.path(), &version("a")).unwrap();
        let path = file(state.path(), &web);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], &whole[..40]].concat()).unwrap();
        assert_eq!(read(state.path(), &web).unwrap(), [version("a")]);
    }

    #[test]
    fn of_services_that_are_gone_the_latest_are_kept_for_their_return() {
        let state = tempfile::tempdir().unwrap();
        let name = |text: &str| ServiceName::new(text).unwrap();
        let known = |text: &str| read(state.path(), &name(text)).unwrap().len();
        for text in ["a", "b", "c"] {
            let mut version = version("x");
            version.service.name = name(text);
            keep(state.path(), &version).unwrap();
            retire_to(state.path(), &name(text), 2).unwrap();
        }
        retire_to(state.path(), &name("never-there"), 2).unwrap();
        assert_eq!([known("a"), known("b"), known("c")], [0, 1, 1]);
        let mut back = version("y");
        back.service.name = name("b");
        keep(state.path(), &back).unwrap();
        assert_eq!((known("b"), retired(state.path(), &name("b")).exists()), (2, false));
    }
}
