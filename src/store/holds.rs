//! Holds on disk: `holds/web.json` of a service, `holds/web@2.json` of one of its instances.

use crate::model::name::ServiceName;
use crate::model::order::Hold;
use crate::model::selector::Target;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory, in the state directory.
const DIRECTORY: &str = "holds";
/// A longer file is none of ours.
const LONGEST: u64 = 64 << 10;

/// A hold is not recorded, or not struck off.
#[derive(Debug, thiserror::Error)]
#[error("the hold of {target} {what}: {source} ({})", path.display())]
pub struct NotKept {
    /// What is held, or not any more.
    target: Target,
    /// What that comes to.
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Writes down that `target` is held, or strikes it off; it is on the disk when this returns.
pub fn keep(state: &Path, target: &Target, hold: Option<&Hold>) -> Result<(), NotKept> {
    let directory = state.join(DIRECTORY);
    let path = directory.join(format!("{target}.json"));
    let what = match hold {
        Some(_) => "cannot be recorded, and ends with abide",
        None => "cannot be struck off, and is there again when abide starts anew",
    };
    let done = match hold {
        Some(hold) => write(&directory, &path, target, hold),
        None => remove(&directory, &path),
    };
    done.map_err(|source| NotKept { target: target.clone(), what, path, source })
}

fn write(directory: &Path, path: &Path, target: &Target, hold: &Hold) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut text = serde_json::to_vec_pretty(hold)?;
    text.push(b'\n');
    // No name of a service begins so.
    let fresh = directory.join(format!(".{target}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(directory)?.sync_all()
}

fn remove(directory: &Path, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(directory)?.sync_all(),
    }
}

/// All that is on record, and in words what cannot be read: that is left as it is.
pub fn read(state: &Path) -> (Vec<(Target, Hold)>, Vec<String>) {
    let directory = state.join(DIRECTORY);
    let listed = match fs::read_dir(&directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Vec::new(), Vec::new()),
        Err(error) => {
            let path = directory.display();
            return (Vec::new(), vec![format!("the holds in {path} cannot be read, and are not in force: {error}")]);
        }
    };
    let (mut held, mut wrong) = (Vec::new(), Vec::new());
    for entry in listed {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                wrong.push(format!("the holds in {} cannot all be read: {error}", directory.display()));
                continue;
            }
        };
        match read_one(&path) {
            Ok(one) => held.extend(one),
            Err(why) => {
                let advice = "mend or remove it, and start abide again";
                wrong.push(format!(
                    "the hold in {} cannot be read, and is not in force: {why}; {advice}",
                    path.display()
                ));
            }
        }
    }
    held.sort_by(|(one, _), (other, _)| one.cmp(other));
    wrong.sort();
    (held, wrong)
}

/// `None`: a file that was not finished.
fn read_one(path: &Path) -> Result<Option<(Target, Hold)>, String> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("its name is no text")?;
    if name.starts_with('.') {
        return Ok(None);
    }
    let target = name.strip_suffix(".json").and_then(target).ok_or("its name is not that of a hold")?;
    let is_file = fs::symlink_metadata(path).map_err(|error| error.to_string())?.is_file();
    let mut text = Vec::new();
    if !is_file {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LONGEST).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let hold = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    Ok(Some((target, hold)))
}

/// `web`, or `web@2`.
fn target(text: &str) -> Option<Target> {
    let (service, index) = match text.split_once('@') {
        None => (text, None),
        Some((service, index)) => (service, Some(index.parse().ok()?)),
    };
    Some(Target { service: ServiceName::new(service).ok()?, index })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::order::Author;
    use crate::model::time::Wall;

    fn web(index: Option<u32>) -> Target {
        Target { service: ServiceName::new("web").expect("legal"), index }
    }

    fn hold(reason: &str) -> Hold {
        let by = Author { name: "root".to_owned(), uid: Some(0), ..Author::default() };
        Hold { by, reason: Some(reason.to_owned()), since: Wall(1_795_360_000_000_000), until: None }
    }

    #[test]
    fn what_is_kept_is_read_again_and_what_is_struck_off_is_not() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(read(state.path()), (Vec::new(), Vec::new()));
        keep(state.path(), &web(None), Some(&hold("first"))).unwrap();
        keep(state.path(), &web(None), Some(&hold("the disk is full"))).unwrap();
        keep(state.path(), &web(Some(2)), Some(&hold("noisy"))).unwrap();
        let both = vec![(web(None), hold("the disk is full")), (web(Some(2)), hold("noisy"))];
        assert_eq!(read(state.path()), (both, Vec::new()));
        keep(state.path(), &web(None), None).unwrap();
        keep(state.path(), &web(None), None).unwrap();
        assert_eq!(read(state.path()).0, [(web(Some(2)), hold("noisy"))]);
        assert_eq!(fs::read_dir(state.path().join(DIRECTORY)).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_record_is_told_and_kept_and_the_others_hold() {
        let state = tempfile::tempdir().unwrap();
        keep(state.path(), &web(None), Some(&hold("good"))).unwrap();
        let path = |name: &str| state.path().join(DIRECTORY).join(name);
        for (name, text) in [("db.json", "{"), ("no name.json", "{}"), ("README", ""), (".db.new", "half")] {
            fs::write(path(name), text).unwrap();
        }
        fs::create_dir(path("x.json")).unwrap();
        let (held, wrong) = read(state.path());
        assert_eq!(held, [(web(None), hold("good"))]);
        assert_eq!(wrong.len(), 4, "{wrong:#?}");
        assert!(wrong.iter().any(|it| it.contains("db.json cannot be read, and is not in force")), "{wrong:#?}");
        assert!(path("db.json").exists());
    }

    #[test]
    fn a_record_that_cannot_be_made_says_what_that_means() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(DIRECTORY), "in the way").unwrap();
        let error = keep(state.path(), &web(None), Some(&hold("x"))).unwrap_err();
        assert!(error.to_string().starts_with("the hold of web cannot be recorded, and ends with abide: "), "{error}");
        assert_eq!(read(state.path()).1.len(), 1);
    }
}
