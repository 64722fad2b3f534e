//! What a new process is kept from seeing: namespaces, mounts, another root.
//!
//! Mounts are made by descriptors (Linux 5.2), so that `/proc` may be hidden too, and before the root
//! is changed, so that nothing need be there within it.

#![expect(unsafe_code, reason = "the child's system calls")]

use super::{Failed, check};
use crate::model::outcome::Step;
use std::ffi::{CStr, CString, c_int, c_long, c_uint};
use std::os::fd::RawFd;
use std::ptr;

/// What it is kept from.
#[derive(Debug, Clone, Copy)]
pub struct Isolation<'a> {
    /// `CLONE_NEW…` of those that are its own.
    pub namespaces: c_int,
    /// A descriptor of the process (`pidfd_open(2)`) that has them already; `None`: they are made.
    pub beside: Option<RawFd>,
    /// The root of its file system, and of the paths below.
    pub root: Option<&'a CStr>,
    /// Paths that it cannot write to.
    pub read_only: &'a [CString],
    /// Directories over which an empty one of its own is mounted; one after the first may be missing.
    pub private: &'a [CString],
    /// Paths that it cannot look into.
    pub inaccessible: &'a [CString],
    /// Its host name.
    pub hostname: Option<&'a CStr>,
}

/// Makes the namespaces, and fills them; or joins those of a process that did. The root is entered later.
pub(super) fn separate(isolation: &Isolation<'_>) -> Result<(), Failed> {
    let Isolation { namespaces, .. } = *isolation;
    if let Some(process) = isolation.beside.filter(|_| namespaces != 0) {
        // SAFETY: numbers. All at once, and all or none: Linux 5.8.
        return check(unsafe { libc::syscall(libc::SYS_setns, process, namespaces) }, Step::Namespaces);
    }
    if namespaces != 0 {
        // SAFETY (this function): numbers and strings that outlive the calls.
        check(unsafe { libc::syscall(libc::SYS_unshare, namespaces) }, Step::Namespaces)?;
    }
    if namespaces & libc::CLONE_NEWNS != 0 {
        // What is mounted on the machine later is seen; nothing of ours is seen on the machine.
        let flags = libc::MS_REC | libc::MS_SLAVE;
        let (no, root) = (ptr::null::<u8>(), c"/".as_ptr());
        check(unsafe { libc::syscall(libc::SYS_mount, no, root, no, flags, no) }, Step::Namespaces)?;
        mounts(isolation)?;
    }
    if namespaces & libc::CLONE_NEWNET != 0 {
        loopback()?;
    }
    if let Some(name) = isolation.hostname {
        let set = unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.count_bytes()) };
        check(set, Step::Hostname)?;
    }
    Ok(())
}

/// Changes the root.
pub(super) fn enter(root: &CStr) -> Result<(), Failed> {
    // SAFETY: strings that outlive the calls.
    unsafe {
        check(libc::syscall(libc::SYS_chroot, root.as_ptr()), Step::Chroot)?;
        check(libc::syscall(libc::SYS_chdir, c"/".as_ptr()), Step::Chroot)
    }
}

fn mounts(isolation: &Isolation<'_>) -> Result<(), Failed> {
    let root = isolation.root;
    let each = |paths: &[CString], step: Step, act: fn(RawFd, Step) -> Result<(), Failed>| -> Result<(), Failed> {
        for (index, path) in (0..).zip(paths) {
            let place = match find(root, path) {
                Err(libc::ENOENT) if step == Step::PrivateTmp && index > 0 => continue,
                found => found.map_err(|errno| (step, errno, index))?,
            };
            let done = act(place, step).map_err(|(step, errno, _)| (step, errno, index));
            close(place);
            done?;
        }
        Ok(())
    };
    each(isolation.read_only, Step::ReadOnly, write_protect)?;
    // Upon what is read-only, they are writable.
    each(isolation.private, Step::PrivateTmp, private)?;
    each(isolation.inaccessible, Step::Inaccessible, hide)
}

fn close(descriptor: RawFd) {
    // SAFETY: one that we opened.
    unsafe { libc::syscall(libc::SYS_close, descriptor) };
}

fn errno() -> c_int {
    // SAFETY: errno of this thread.
    unsafe { *libc::__errno_location() }
}

fn descriptor(returned: c_long) -> Result<RawFd, c_int> {
    if returned < 0 { Err(errno()) } else { Ok(returned as RawFd) }
}

/// A descriptor of `path`, found as a process whose root is `root` would; links are followed within it.
fn find(root: Option<&CStr>, path: &CStr) -> Result<RawFd, c_int> {
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    let open = |path: &CStr, flags: c_int| {
        // SAFETY: the string outlives the call.
        descriptor(unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) })
    };
    let Some(root) = root else { return open(path, flags) };
    // Each time anew: something may have been mounted over it.
    let root = open(root, flags | libc::O_DIRECTORY)?;
    // `struct open_how`: flags, mode, resolve.
    let how = [u64::from(flags.unsigned_abs()), 0, libc::RESOLVE_IN_ROOT];
    // SAFETY: the string and the structure outlive the call.
    let found =
        descriptor(unsafe { libc::syscall(libc::SYS_openat2, root, path.as_ptr(), how.as_ptr(), size_of_val(&how)) });
    close(root);
    found
}

/// Mounts `tree` upon `place`.
fn attach(tree: RawFd, place: RawFd, step: Step) -> Result<(), Failed> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let empty = c"".as_ptr();
    // SAFETY: descriptors and empty strings.
    check(unsafe { libc::syscall(libc::SYS_move_mount, tree, empty, place, empty, flags) }, step)
}

const RECURSIVE: c_uint = 0x8000;
const EMPTY_PATH: c_uint = libc::AT_EMPTY_PATH as c_uint;
const CLOEXEC: c_uint = libc::O_CLOEXEC as c_uint;

/// A copy of the mounts at `place` and below, or of `path`'s alone.
fn copy(place: RawFd, path: &CStr, flags: c_uint, step: Step) -> Result<RawFd, Failed> {
    let flags = libc::OPEN_TREE_CLONE | CLOEXEC | flags;
    // SAFETY: the string outlives the call.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, place, path.as_ptr(), flags) };
    check(tree, step).map(|()| tree as RawFd)
}

fn write_protect(place: RawFd, step: Step) -> Result<(), Failed> {
    let protect = |mount: RawFd| {
        // `struct mount_attr`: set, clear, propagation, user namespace.
        let attributes = [libc::MOUNT_ATTR_RDONLY, 0, 0, 0];
        let flags = EMPTY_PATH | RECURSIVE;
        let size = size_of_val(&attributes);
        // SAFETY: the structure outlives the call.
        let set =
            unsafe { libc::syscall(libc::SYS_mount_setattr, mount, c"".as_ptr(), flags, attributes.as_ptr(), size) };
        check(set, step)
    };
    match protect(place) {
        // Nothing is mounted just there.
        Err((_, libc::EINVAL, _)) => {
            let tree = copy(place, c"", EMPTY_PATH | RECURSIVE, step)?;
            let done = protect(tree).and_then(|()| attach(tree, place, step));
            close(tree);
            done
        }
        other => other,
    }
}

fn private(place: RawFd, step: Step) -> Result<(), Failed> {
    memory(place, c"1777", 0, step)
}

fn hide(place: RawFd, step: Step) -> Result<(), Failed> {
    // SAFETY: the kernel fills it; zero is a legal value of all fields.
    let found = unsafe {
        let mut found = std::mem::zeroed::<libc::stat>();
        check(c_long::from(libc::fstat(place, &raw mut found)), step)?;
        found
    };
    if found.st_mode & libc::S_IFMT == libc::S_IFDIR {
        return memory(place, c"0", libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOEXEC, step);
    }
    let nothing = copy(libc::AT_FDCWD, c"/dev/null", 0, step)?;
    let done = attach(nothing, place, step);
    close(nothing);
    done
}

/// Mounts a file system in memory upon `place`.
fn memory(place: RawFd, mode: &CStr, attributes: u64, step: Step) -> Result<(), Failed> {
    // SAFETY (this function): strings that outlive the calls, and descriptors that we opened.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), libc::FSOPEN_CLOEXEC) };
    check(context, step)?;
    let context = context as RawFd;
    let filled = || {
        let no = ptr::null::<u8>();
        let attributes = attributes | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        unsafe {
            let (set, create) = (libc::FSCONFIG_SET_STRING, libc::FSCONFIG_CMD_CREATE);
            check(libc::syscall(libc::SYS_fsconfig, context, set, c"mode".as_ptr(), mode.as_ptr(), 0), step)?;
            check(libc::syscall(libc::SYS_fsconfig, context, create, no, no, 0), step)?;
            let mount = libc::syscall(libc::SYS_fsmount, context, libc::FSMOUNT_CLOEXEC, attributes);
            check(mount, step).map(|()| mount as RawFd)
        }
    };
    let mount = filled();
    close(context);
    let mount = mount?;
    let done = attach(mount, place, step);
    close(mount);
    done
}

/// `struct ifreq`, as far as flags need it.
#[repr(C)]
struct Interface {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

fn loopback() -> Result<(), Failed> {
    const SIOCSIFFLAGS: c_int = 0x8914;
    let mut interface = Interface { name: [0; 16], flags: libc::IFF_UP as i16, rest: [0; 22] };
    interface.name[..2].copy_from_slice(b"lo");
    // SAFETY: the structure is as large as the kernel's, and outlives the call.
    unsafe {
        let socket = libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        check(socket, Step::Network)?;
        let up = check(libc::syscall(libc::SYS_ioctl, socket, SIOCSIFFLAGS, &raw mut interface), Step::Network);
        close(socket as RawFd);
        up
    }
}
