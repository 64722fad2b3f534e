//! Becoming another program.

use std::borrow::Cow;
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::errno::text;
use super::say;
use crate::host::sys::exec::{self, Vector};

const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The program to become: its words and its environment.
pub(super) struct Program {
    pub(super) words: Vec<CString>,
    pub(super) environment: Vec<Cow<'static, CStr>>,
}

impl Program {
    /// The program named by the first word, in our own environment.
    pub(super) fn new(words: &[OsString]) -> Self {
        // Words come from the kernel and hold no NUL.
        let words = words.iter().map(|word| CString::new(word.as_bytes()).unwrap_or_default()).collect();
        Program { words, environment: exec::environment().map(Cow::Borrowed).collect() }
    }

    /// Changes the environment by `NAME=VALUE`; without `=` the variable is removed.
    pub(super) fn change(&mut self, setting: CString) {
        let bytes = setting.as_bytes();
        let length = bytes.iter().position(|&byte| byte == b'=').unwrap_or(bytes.len());
        let name = &bytes[..length];
        let same =
            |entry: &Cow<CStr>| entry.to_bytes().strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'='));
        // One entry only, and the last one takes its place: the order in which the original leaves them.
        if let Some(index) = self.environment.iter().position(same) {
            self.environment.swap_remove(index);
        }
        if length < bytes.len() {
            self.environment.push(Cow::Owned(setting));
        }
    }

    /// Gets everything ready that `exec` needs.
    pub(super) fn prepare(&self) -> Prepared<'_> {
        Prepared {
            search: Search::new(self.words.first().map_or(b"", |name| name.to_bytes())),
            words: Vector::new(self.words.iter().map(CString::as_c_str)),
            environment: Vector::new(self.environment.iter().map(AsRef::as_ref)),
        }
    }
}

/// A program all ready to be executed.
pub(super) struct Prepared<'a> {
    search: Search<'a>,
    words: Vector<'a>,
    environment: Vector<'a>,
}

impl Prepared<'_> {
    /// Becomes the program, or tells why it cannot be. Allocates nothing.
    pub(super) fn exec(mut self) -> Errno {
        let attempt = |file: &CStr| Err::<Infallible, _>(exec::execve(file, &self.words, &self.environment));
        match self.search.run(attempt) {
            Err(errno) => errno,
        }
    }
}

/// The files that a name may stand for, by way of PATH.
pub(super) struct Search<'a> {
    name: &'a [u8],
    path: &'static [u8],
    /// Room for every file name that will be tried.
    buffer: Vec<u8>,
}

impl<'a> Search<'a> {
    /// The search is along the PATH of this process, whatever the program is to get.
    pub(super) fn new(name: &'a [u8]) -> Self {
        let path = exec::environment().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
        Self::along(path.unwrap_or(DEFAULT_PATH), name)
    }

    fn along(path: &'static [u8], name: &'a [u8]) -> Self {
        // A dot for an empty element, a slash, a NUL.
        Search { name, path, buffer: Vec::with_capacity(path.len() + name.len() + 3) }
    }

    /// Tries each file in turn until one works or fails in a way that ends the search.
    pub(super) fn run<T>(&mut self, mut attempt: impl FnMut(&CStr) -> Result<T, Errno>) -> Result<T, Errno> {
        if self.name.contains(&b'/') {
            return attempt(join(&mut self.buffer, &[self.name]));
        }
        let mut remembered = Errno::ENOENT;
        for element in self.path.split(|&byte| byte == b':') {
            let directory = if element.is_empty() { b"." } else { element };
            match attempt(join(&mut self.buffer, &[directory, b"/", self.name])) {
                Err(Errno::ENOENT) => {}
                Err(errno @ (Errno::EACCES | Errno::EPERM | Errno::EISDIR)) => remembered = errno,
                end => return end,
            }
        }
        Err(remembered)
    }
}

fn join<'b>(buffer: &'b mut Vec<u8>, parts: &[&[u8]]) -> &'b CStr {
    buffer.clear();
    for part in parts {
        buffer.extend_from_slice(part);
    }
    buffer.push(0);
    CStr::from_bytes_until_nul(buffer).unwrap_or_default()
}

/// Becomes the program that the words name. If it cannot, says so and gives the exit code.
pub(super) fn run(tool: &str, words: &[OsString]) -> u8 {
    let errno = Program::new(words).prepare().exec();
    unable(tool, words, errno)
}

/// Says that the program cannot be run; gives the exit code.
pub(super) fn unable(tool: &str, words: &[OsString], errno: Errno) -> u8 {
    let Some(name) = words.first() else { return say::FAILED };
    say::fatal(tool, &[&"unable to run ", name, &": ", &text(errno)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files tried, when the attempts end like this, and the outcome.
    fn tried(path: &'static [u8], name: &str, ends: &[Errno]) -> (Vec<String>, Errno) {
        let mut files = Vec::new();
        let mut ends = ends.iter();
        let end = Search::along(path, name.as_bytes()).run(|file| {
            files.push(file.to_string_lossy().into_owned());
            Err::<Infallible, _>(*ends.next().unwrap_or(&Errno::ENOENT))
        });
        let Err(errno) = end;
        (files, errno)
    }

    #[test]
    fn each_element_is_tried() {
        let files = ["/a/x", "./x", "b/x", "./x"].map(str::to_owned).to_vec();
        assert_eq!(tried(b"/a::b:", "x", &[]), (files, Errno::ENOENT));
        assert_eq!(tried(b"", "x", &[]).0, ["./x"]);
        assert_eq!(tried(b"/a:/b", "c/x", &[]).0, ["c/x"]);
        assert_eq!(tried(b"/a", "", &[]).0, ["/a/"]);
    }

    #[test]
    fn errors_remembered_or_final() {
        use Errno::{EACCES, EISDIR, ENOENT, ENOEXEC, EPERM};
        assert_eq!(tried(b"a:b:c", "x", &[EACCES, EPERM, ENOENT]).1, EPERM);
        assert_eq!(tried(b"a:b:c", "x", &[EISDIR]).1, EISDIR);
        assert_eq!(tried(b"a:b:c", "x", &[EACCES, ENOEXEC]), (vec!["a/x".to_owned(), "b/x".to_owned()], ENOEXEC));
    }

    fn changed(environment: &[&str], settings: &[&str]) -> Vec<String> {
        let own = |text: &&str| CString::new(*text).unwrap();
        let environment = environment.iter().map(|text| Cow::Owned(own(text))).collect();
        let mut program = Program { words: Vec::new(), environment };
        for setting in settings {
            program.change(own(setting));
        }
        program.environment.iter().map(|entry| entry.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn changes_of_the_environment() {
        assert_eq!(changed(&["A=1", "B=2", "C=3"], &["A=4"]), ["C=3", "B=2", "A=4"]);
        assert_eq!(changed(&["A=1", "AB=2"], &["A"]), ["AB=2"]);
        assert_eq!(changed(&["A", "B=1"], &["A", "=x"]), ["A", "B=1", "=x"]);
        assert_eq!(changed(&["A=1", "A=2"], &["A"]), ["A=2"]);
        assert_eq!(changed(&[], &["A=B=q", "A="]), ["A="]);
    }
}
