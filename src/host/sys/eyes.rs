//! Files with another user's eyes: the identity by which the kernel judges access, of this thread alone.
//!
//! Raw calls, since glibc's wrappers change every thread of the process. What a thread may do else stays as it is: the
//! kernel takes back only the capabilities that go around permissions, as long as the identity is not root's.

#![expect(unsafe_code, reason = "per-thread credentials, which libraries know only for whole processes")]

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;

thread_local! {
    /// As whom this thread looks, if not as itself.
    static LOOKS_AS: RefCell<Option<Sight>> = const { RefCell::new(None) };
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Sight {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// As long as it lives, files are opened, listed, made and looked at as somebody else on this thread.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Eyes {
    /// Whom this thread looked as before; `None`: as itself.
    before: Option<Sight>,
    own: Sight,
    /// It belongs to this thread.
    thread: PhantomData<*const ()>,
}

impl Eyes {
    /// Takes the eyes of the user `uid` with these groups. An error where that cannot be had: then nothing must be
    /// looked at.
    pub fn of(uid: u32, gid: u32, groups: &[u32]) -> io::Result<Self> {
        let own = own()?;
        let wanted = Sight { uid, gid, groups: groups.to_vec() };
        let before = LOOKS_AS.with_borrow(Clone::clone);
        set_groups(&wanted.groups)?;
        // Dropped on an error, and with it what was changed already.
        let eyes = Self { before, own, thread: PhantomData };
        set_user(&wanted)?;
        LOOKS_AS.set(Some(wanted));
        Ok(eyes)
    }
}

impl Drop for Eyes {
    fn drop(&mut self) {
        let before = self.before.take();
        let back = before.as_ref().unwrap_or(&self.own);
        if set_groups(&back.groups).and_then(|()| set_user(back)).is_err() {
            // Whoever could become another can come back; to go on as somebody unknown would be worse than to end.
            std::process::abort();
        }
        LOOKS_AS.set(before);
    }
}

/// Who the process is, whatever this thread looks as.
fn own() -> io::Result<Sight> {
    thread_local! {
        static OWN: RefCell<Option<Sight>> = const { RefCell::new(None) };
    }
    if let Some(own) = OWN.with_borrow(Clone::clone) {
        return Ok(own);
    }
    // The first time a thread asks it looks as itself.
    let groups = nix::unistd::getgroups()?.into_iter().map(nix::unistd::Gid::as_raw).collect();
    let own = Sight { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw(), groups };
    OWN.set(Some(own.clone()));
    Ok(own)
}

fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: a plain system call on this thread alone; the kernel reads the list, which outlives the call.
    match unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_user(sight: &Sight) -> io::Result<()> {
    // SAFETY: plain system calls on this thread alone, with numbers.
    unsafe {
        // These two never say whether they did: they are asked.
        libc::syscall(libc::SYS_setfsgid, sight.gid);
        libc::syscall(libc::SYS_setfsuid, sight.uid);
        let (gid, uid) = (libc::syscall(libc::SYS_setfsgid, -1), libc::syscall(libc::SYS_setfsuid, -1));
        if (uid, gid) != (i64::from(sight.uid), i64::from(sight.gid)) {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_thread_sees_what_the_user_may_and_others_see_on() {
        if !nix::unistd::geteuid().is_root() {
            assert!(Eyes::of(12_345, 12_345, &[]).is_err());
            eprintln!("skipped: only root can look as somebody else");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (secret, shared) = (temp.path().join("secret"), temp.path().join("shared"));
        for (path, mode) in [(&secret, 0o600), (&shared, 0o640)] {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::chown(&shared, None, Some(12_346)).unwrap();
        let made = temp.path().join("made");
        fs::create_dir(&made).unwrap();
        std::os::unix::fs::chown(&made, Some(12_345), Some(12_345)).unwrap();
        {
            let _eyes = Eyes::of(12_345, 12_345, &[12_345, 12_346]).unwrap();
            assert!(fs::read(&secret).is_err());
            fs::read(&shared).unwrap();
            fs::write(made.join("x"), "").unwrap();
            assert!(fs::write(temp.path().join("y"), "").is_err());
            {
                let _other = Eyes::of(12_347, 12_347, &[]).unwrap();
                assert!(fs::read(&shared).is_err());
            }
            fs::read(&shared).unwrap();
            let elsewhere = std::thread::spawn({
                let secret = secret.clone();
                move || fs::read(secret)
            });
            // A new thread inherits its maker's eyes; one that was there does not.
            assert!(elsewhere.join().unwrap().is_err());
        }
        assert_eq!(fs::metadata(made.join("x")).unwrap().uid(), 12_345);
        fs::read(&secret).unwrap();
        assert!(std::thread::spawn(move || fs::read(secret)).join().unwrap().is_ok());
    }

    #[test]
    fn a_thread_that_was_there_is_unaffected() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: only root can look as somebody else");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let secret = temp.path().join("secret");
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (answer, answered) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            asked.recv().unwrap();
            answer.send(fs::read(secret).is_ok()).unwrap();
        });
        let _eyes = Eyes::of(12_345, 12_345, &[]).unwrap();
        ask.send(()).unwrap();
        assert!(answered.recv().unwrap());
        reader.join().unwrap();
    }
}
