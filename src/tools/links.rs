//! A directory of links by which the tools are found under their own names.

use crate::model::tool::NAMES;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

/// What became of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// It leads to the program now, and did not before.
    Made,
    /// It did already.
    There,
    /// Something else has the name, and was let be.
    Taken,
}

/// Those that are abide's own engine, or a client of it, which `abide-tools` has not.
const ENGINE: [&str; 4] = ["svscan", "supervise", "svscanboot", "supervisorctl"];

/// Makes links named as the tools in `directory`, which is made if it is missing, to `program`, or to `abide-tools` beside
/// it, if that is there. What else has such a name stays, unless it is a link and `replace` says that links may go.
pub fn make(directory: &Path, program: &Path, replace: bool) -> io::Result<Vec<(&'static str, Linked)>> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    let small = program.with_file_name("abide-tools");
    let small = if small.is_file() { &small } else { program };
    let target = |name: &str| if ENGINE.contains(&name) { program } else { small };
    NAMES.iter().map(|name| Ok((*name, link(&directory.join(name), target(name), replace)?))).collect()
}

fn link(path: &Path, program: &Path, replace: bool) -> io::Result<Linked> {
    match fs::read_link(path) {
        Ok(target) if target == program => return Ok(Linked::There),
        Ok(_) if replace => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Ok(_) | Err(_) => return Ok(Linked::Taken),
    }
    // Never without one: somebody may be looking for it just now.
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(program, &new)?;
    fs::rename(&new, path)?;
    Ok(Linked::Made)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_once_and_what_is_somebody_elses_stays() {
        let temp = tempfile::tempdir().unwrap();
        let (at, program) = (temp.path().join("bin"), Path::new("/bin/abide"));
        assert!(make(&at, program, false).unwrap().iter().all(|(_, linked)| *linked == Linked::Made));
        assert!(make(&at, program, false).unwrap().iter().all(|(_, linked)| *linked == Linked::There));
        fs::remove_file(at.join("svc")).unwrap();
        fs::write(at.join("svc"), "mine").unwrap();
        let of = |made: Vec<(&str, Linked)>, name: &str| made.iter().find(|(known, _)| *known == name).unwrap().1;
        let other = Path::new("/opt/abide");
        assert_eq!(of(make(&at, other, false).unwrap(), "svstat"), Linked::Taken);
        let made = make(&at, other, true).unwrap();
        assert_eq!((of(made.clone(), "svstat"), of(made, "svc")), (Linked::Made, Linked::Taken));
        assert_eq!(fs::read_link(at.join("svstat")).unwrap(), other);
        assert_eq!(fs::read_dir(&at).unwrap().count(), NAMES.len());
    }
}
