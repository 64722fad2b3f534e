//! Who else watches the same directories: each of two abides would run the services there. That is warned of and not
//! refused, since two containers may share one directory on purpose.
//!
//! A claim is a name in the abstract namespace of sockets, made of device and inode: a lock on the directory itself
//! would keep its file system from being unmounted.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

/// Claims on watched directories; given up with this process, however it ends.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<(PathBuf, UnixListener)>);

impl Claims {
    /// Claims what can be claimed; in words, what another has claimed already.
    pub(super) fn on(directories: &[PathBuf]) -> (Self, Vec<String>) {
        let mut claims = Self::default();
        let others = claims.more(directories);
        (claims, others)
    }

    /// Claims those that are not claimed yet; in words, what another has claimed already.
    pub(super) fn more(&mut self, directories: &[PathBuf]) -> Vec<String> {
        let mut others = Vec::new();
        for directory in directories {
            if self.0.iter().any(|(claimed, _)| claimed == directory) {
                continue;
            }
            // One that is not there yet, or cannot be read, is told of by who reads it.
            let Ok(found) = std::fs::metadata(directory) else { continue };
            let name = format!("abide/claim/{:x}:{}", found.dev(), found.ino());
            let Ok(address) = SocketAddr::from_abstract_name(name) else { continue };
            match UnixListener::bind_addr(&address) {
                Ok(claim) => self.0.push((directory.clone(), claim)),
                Err(error) if error.kind() == ErrorKind::AddrInUse => others.push(warning(directory)),
                // Nobody can say.
                Err(_) => {}
            }
        }
        others
    }
}

fn warning(directory: &Path) -> String {
    let path = directory.display();
    format!("another abide watches {path} too, with directories of its own: its services run twice")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_and_the_first_gives_it_up_with_its_end() {
        let place = tempfile::tempdir().unwrap();
        let directories = [place.path().to_owned(), place.path().join("missing")];
        let (first, told) = Claims::on(&directories);
        assert_eq!(told, [""; 0]);
        assert!(Claims::on(&directories).1[0].contains("its services run twice"));
        drop(first);
        assert_eq!(Claims::on(&directories).1, [""; 0]);
    }
}
