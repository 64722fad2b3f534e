//! Why a file cannot be executed, where the kernel's word for it says little: "no such file" of a
//! script that is there, "exec format error" of a program for another machine.

use crate::host::within;
use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// So much of the beginning says what a file is: the kernel itself reads 256 bytes.
const HEAD: u64 = 4096;

/// The reason behind `errno` for the program at `path`, absolute within `root`, as it follows a colon; `None`: the
/// kernel's own word will do.
pub(super) fn why(root: Option<&Path>, path: &Path, errno: i32) -> Option<String> {
    let found = within::metadata(root, path).ok()?;
    if found.is_dir() {
        return Some("it is a directory".to_owned());
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Some("it is not executable (chmod +x)".to_owned());
    }
    let mut head = Vec::new();
    within::open(root, path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    match errno {
        libc::ENOENT => missing(&head),
        libc::ENOEXEC => Some(foreign(&head)),
        libc::EACCES => closed(root, &head),
        _ => None,
    }
}

/// What the file needs to be executed, and is not there.
fn missing(head: &[u8]) -> Option<String> {
    if let Some(interpreter) = interpreter(head) {
        return Some(match interpreter.strip_suffix(b"\r") {
            Some(_) => "its first line ends in a carriage return; save it without those of Windows".to_owned(),
            None => format!("its interpreter {} is not there", shown(interpreter)),
        });
    }
    let loader = elf_loader(head)?;
    Some(format!("its loader {} is not there: it was made for another C library, or another system", shown(loader)))
}

fn foreign(head: &[u8]) -> String {
    let ours = std::env::consts::ARCH;
    match machine(head) {
        Some(machine) if machine == ours => "it is damaged, or needs another kernel".to_owned(),
        Some(machine) => format!("it is a program for {machine}, and this machine is {ours}"),
        None if head.is_empty() => "it is empty".to_owned(),
        None => "it is neither a program nor a script that begins with `#!`".to_owned(),
    }
}

fn closed(root: Option<&Path>, head: &[u8]) -> Option<String> {
    let interpreter = interpreter(head)?;
    let found = within::metadata(root, Path::new(std::ffi::OsStr::from_bytes(interpreter))).ok()?;
    let cannot = found.is_dir() || found.permissions().mode() & 0o111 == 0;
    cannot.then(|| format!("its interpreter {} is not executable", shown(interpreter)))
}

/// What the first line of a script names.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| [b' ', b'\t'].contains(byte)).find(|word| !word.is_empty())
}

/// What an ELF file is made for (`e_machine` of elf(5)), by Rust's word where it has one.
fn machine(head: &[u8]) -> Option<String> {
    let number = elf_half(head, 18)?;
    let name = match number {
        3 => "x86",
        8 => "mips",
        20 => "powerpc",
        21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        _ => return Some(format!("another machine (ELF {number})")),
    };
    Some(name.to_owned())
}

/// The path in the segment `PT_INTERP` of a 64-bit ELF file, if it lies in its head.
fn elf_loader(head: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: u64 = 3;
    const CLASS_64: u8 = 2;
    if *head.get(4)? != CLASS_64 {
        return None;
    }
    let (table, size, count) = (elf_number(head, 32, 8)?, elf_half(head, 54)?, elf_half(head, 56)?);
    let headers = (0..count).map_while(|index| usize::try_from(table.checked_add(u64::from(index * size))?).ok());
    let found = headers.into_iter().find(|at| elf_number(head, *at, 4) == Some(PT_INTERP))?;
    let (from, length) = (elf_number(head, found + 8, 8)?, elf_number(head, found + 32, 8)?);
    let from = usize::try_from(from).ok()?;
    let path = head.get(from..from.checked_add(usize::try_from(length).ok()?)?)?;
    path.split(|byte| *byte == 0).next()
}

fn elf_half(head: &[u8], at: usize) -> Option<u32> {
    elf_number(head, at, 2).and_then(|number| u32::try_from(number).ok())
}

/// A number of an ELF file, in its own order of bytes.
fn elf_number(head: &[u8], at: usize, length: usize) -> Option<u64> {
    const BIG: u8 = 2;
    let is_big = head.starts_with(b"\x7fELF").then(|| head.get(5)).flatten()? == &BIG;
    let bytes = head.get(at..at.checked_add(length)?)?;
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(if is_big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}

/// A path out of a file that anybody may have written.
fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        text.extend(chunk.valid().chars().flat_map(char::escape_debug));
        let _ = write!(text, "{}", chunk.invalid().escape_ascii());
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn scripts_say_what_is_missing() {
        let say = |text: &str| missing(text.as_bytes()).unwrap();
        assert_eq!(say("#!/no/sh -e\n"), "its interpreter /no/sh is not there");
        assert_eq!(say("#! /no/\u{1b}[2J"), "its interpreter /no/\\u{1b}[2J is not there");
        assert!(say("#!/bin/sh\r\necho\r\n").contains("carriage return"));
        assert_eq!(missing(b"echo"), None);
        assert_eq!(interpreter(b"#!\n"), None);
    }

    #[test]
    fn programs_say_for_whom_they_are_made() {
        let ours = std::fs::read("/proc/self/exe").unwrap();
        let head = &ours[..4096];
        assert!(foreign(head).contains("damaged"), "{}", foreign(head));
        let loader = elf_loader(head).map(shown).unwrap_or_default();
        assert!(loader.is_empty() || loader.starts_with('/'), "{loader}");
        let mut other = head.to_vec();
        other[18..20].copy_from_slice(&[22, 0]);
        assert!(foreign(&other).contains("a program for s390x"));
        assert_eq!(foreign(b""), "it is empty");
        assert!(foreign(b"hello").contains("neither"));
    }

    #[test]
    fn no_file_makes_it_panic() {
        let ours = std::fs::read("/proc/self/exe").unwrap();
        for length in 0..200 {
            let head = &ours[..length];
            let _ = (missing(head), foreign(head), closed(None, head));
            let mut wild = ours[..200].to_vec();
            wild[length..].fill(0xff);
            let _ = (missing(&wild), foreign(&wild));
        }
    }
}
