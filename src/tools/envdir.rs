//! envdir: runs a program with variables set from the files of a directory.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd;

use super::chain::{self, Program};
use super::errno::text;
use super::{say, svc};

const TOOL: &str = "envdir";

/// `NAME=VALUE` for a file of this content, `NAME` alone if it is empty.
fn setting(name: &CStr, content: &[u8]) -> CString {
    let mut setting = name.to_bytes().to_vec();
    if !content.is_empty() {
        setting.push(b'=');
        setting.extend(value(content).iter().map(|&byte| if byte == 0 { b'\n' } else { byte }));
    }
    // There is no NUL left in it.
    CString::new(setting).unwrap_or_default()
}

/// The first line without blanks at its end.
fn value(content: &[u8]) -> &[u8] {
    let line = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let length = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    &line[..length]
}

/// The whole content; `None` if the file is not there (a dangling link).
fn read(name: &CStr, content: &mut Vec<u8>) -> nix::Result<Option<()>> {
    content.clear();
    let file = match nix::fcntl::open(
        name,
        OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    ) {
        Err(Errno::ENOENT) => return Ok(None),
        file => file?,
    };
    let mut piece = [0; 4096];
    loop {
        match unistd::read(&file, &mut piece) {
            Ok(0) => return Ok(Some(())),
            Ok(length) => content.extend_from_slice(&piece[..length]),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Changes the environment of `program` by the files of the working directory, which is called `dir`.
fn apply(dir: &OsStr, program: &mut Program) -> Result<(), u8> {
    let unreadable = |errno| say::fatal(TOOL, &[&"unable to read directory ", &dir, &": ", &text(errno)]);
    let mut entries =
        svc::open(".", OFlag::O_RDONLY | OFlag::O_DIRECTORY).and_then(Dir::from_fd).map_err(unreadable)?;
    let mut content = Vec::new();
    for entry in entries.iter() {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        match read(name, &mut content) {
            Ok(None) => {}
            Ok(Some(())) => program.change(setting(name, &content)),
            Err(errno) => {
                let name = OsStr::from_bytes(name.to_bytes());
                return Err(say::fatal(TOOL, &[&"unable to read ", &dir, &"/", &name, &": ", &text(errno)]));
            }
        }
    }
    Ok(())
}

/// Goes to the directory and back.
fn visit(dir: &OsStr, program: &mut Program) -> Result<(), u8> {
    let failed = |what: &'static str| move |errno| say::fatal(TOOL, &[&what, &text(errno)]);
    let start: OwnedFd = svc::open(".", OFlag::O_RDONLY).map_err(failed("unable to switch to current directory: "))?;
    unistd::chdir(dir)
        .map_err(|errno| say::fatal(TOOL, &[&"unable to switch to directory ", &dir, &": ", &text(errno)]))?;
    apply(dir, program)?;
    unistd::fchdir(&start).map_err(failed("unable to switch to starting directory: "))
}

/// The tool.
pub(super) fn run(words: &[OsString]) -> u8 {
    let (Some(dir), Some(child)) = (words.get(1), words.get(2..).filter(|child| !child.is_empty())) else {
        say::usage("envdir: usage: envdir dir child");
        return say::FAILED;
    };
    let mut program = Program::new(child);
    match visit(dir, &mut program) {
        Ok(()) => chain::unable(TOOL, child, program.prepare().exec()),
        Err(code) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let set = |name, content: &[u8]| setting(name, content).to_bytes().to_vec();
        assert_eq!(set(c"A", b""), b"A");
        assert_eq!(set(c"A", b"\n"), b"A=");
        assert_eq!(set(c"A", b"\nx"), b"A=");
        assert_eq!(set(c"A", b" \t x \t \nrest"), b"A= \t x");
        assert_eq!(set(c"A", b"a\0b\0 \n"), b"A=a\nb\n");
        assert_eq!(set(c"A=B", b"q"), b"A=B=q");
    }
}
