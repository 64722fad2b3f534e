//! The control socket by its path, also where that is longer than the kernel takes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The control socket's name in the runtime directory.
pub const SOCKET: &str = "control.sock";

/// `sun_path` of `unix(7)` has 108 bytes, of which the last is the end.
const LONGEST: usize = 107;

/// A path by which a socket can be bound or connected to, as long as this lives.
#[derive(Debug)]
pub struct Way {
    path: PathBuf,
    /// The directory, where the path leads through it.
    _directory: Option<File>,
}

impl Way {
    /// To the control socket in this runtime directory.
    pub fn to(directory: &Path) -> io::Result<Self> {
        let path = directory.join(SOCKET);
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(directory)?;
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(SOCKET);
        Ok(Self { path, _directory: Some(directory) })
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_directory_of_any_length_has_its_socket() {
        let root = tempfile::tempdir().unwrap();
        for length in [1, 60, 120, 250] {
            let directory = root.path().join("d".repeat(length));
            std::fs::create_dir(&directory).unwrap();
            let listener = UnixListener::bind(Way::to(&directory).unwrap().path()).unwrap();
            assert!(directory.join(SOCKET).exists(), "{length}");
            let mut asks = UnixStream::connect(Way::to(&directory).unwrap().path()).unwrap();
            asks.write_all(b"?").unwrap();
            let mut asked = [0];
            listener.accept().unwrap().0.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"?", "{length}");
        }
    }
}
