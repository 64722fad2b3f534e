//! System errors in daemontools' own words, which differ from the C library's.

use nix::errno::Errno;

/// The text for a system error.
pub fn text(errno: Errno) -> &'static str {
    files(errno).or_else(|| processes(errno)).or_else(|| network(errno)).unwrap_or("unknown error")
}

fn files(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOENT => "file does not exist",
        Errno::EPERM => "permission denied",
        Errno::EACCES => "access denied",
        Errno::EEXIST => "file already exists",
        Errno::ENOTDIR => "not a directory",
        Errno::EISDIR => "is a directory",
        Errno::ENOTEMPTY => "directory not empty",
        Errno::ELOOP => "symbolic link loop",
        Errno::ENAMETOOLONG => "file name too long",
        Errno::ENOSPC => "out of disk space",
        Errno::EDQUOT => "disk quota exceeded",
        Errno::EFBIG => "file too big",
        Errno::EROFS => "read-only file system",
        Errno::EIO => "input/output error",
        Errno::EXDEV => "cross-device link",
        Errno::EMLINK => "too many links",
        Errno::ESPIPE => "unseekable descriptor",
        Errno::EBADF => "file descriptor not open",
        Errno::EMFILE => "process cannot open more files",
        Errno::ENFILE => "system cannot open more files",
        Errno::ETXTBSY => "text busy",
        Errno::ENXIO => "device not configured",
        Errno::ENODEV => "device does not support operation",
        Errno::ENOTBLK => "not a block device",
        Errno::EBUSY => "device busy",
        Errno::ENOTTY => "not a tty",
        Errno::ESTALE => "stale NFS file handle",
        Errno::ENOLCK => "no locks available",
        Errno::EDEADLK => "operation would cause deadlock",
        _ => return None,
    })
}

fn processes(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EINTR => "interrupted system call",
        Errno::EAGAIN => "temporary failure",
        Errno::EPIPE => "broken pipe",
        Errno::ENOMEM => "out of memory",
        Errno::E2BIG => "argument list too long",
        Errno::ENOEXEC => "exec format error",
        Errno::ESRCH => "no such process",
        Errno::ECHILD => "no child processes",
        Errno::EFAULT => "bad address",
        Errno::EINVAL => "invalid argument",
        Errno::EDOM => "input out of range",
        Errno::ERANGE => "output out of range",
        Errno::ENOSYS => "system call not available",
        Errno::EUSERS => "too many users",
        _ => return None,
    })
}

fn network(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ETIMEDOUT => "timed out",
        Errno::EINPROGRESS => "operation in progress",
        Errno::EALREADY => "operation already in progress",
        Errno::ENOTSOCK => "not a socket",
        Errno::EDESTADDRREQ => "destination address required",
        Errno::EMSGSIZE => "message too long",
        Errno::EPROTO => "protocol error",
        Errno::EPROTOTYPE => "incorrect protocol type",
        Errno::ENOPROTOOPT => "protocol not available",
        Errno::EPROTONOSUPPORT => "protocol not supported",
        Errno::ESOCKTNOSUPPORT => "socket type not supported",
        Errno::EOPNOTSUPP => "operation not supported",
        Errno::EPFNOSUPPORT => "protocol family not supported",
        Errno::EAFNOSUPPORT => "address family not supported",
        Errno::EADDRINUSE => "address already used",
        Errno::EADDRNOTAVAIL => "address not available",
        Errno::ENETDOWN => "network down",
        Errno::ENETUNREACH => "network unreachable",
        Errno::ENETRESET => "network reset",
        Errno::ECONNABORTED => "connection aborted",
        Errno::ECONNRESET => "connection reset",
        Errno::ECONNREFUSED => "connection refused",
        Errno::ENOBUFS => "out of buffer space",
        Errno::EISCONN => "already connected",
        Errno::ENOTCONN => "not connected",
        Errno::ESHUTDOWN => "socket shut down",
        Errno::ETOOMANYREFS => "too many references",
        Errno::EHOSTDOWN => "host down",
        Errno::EHOSTUNREACH => "host unreachable",
        Errno::ENOSTR => "not a stream device",
        Errno::ETIME => "timer expired",
        Errno::ENOSR => "out of stream resources",
        Errno::ENOMSG => "no message of desired type",
        Errno::EBADMSG => "bad message type",
        Errno::EIDRM => "identifier removed",
        Errno::ENONET => "machine not on network",
        Errno::EREMOTE => "too many levels of remote in path",
        Errno::ENOLINK => "link severed",
        Errno::EADV => "advertise error",
        Errno::ESRMNT => "srmount error",
        Errno::ECOMM => "communication error",
        Errno::EMULTIHOP => "multihop attempted",
        Errno::EREMCHG => "remote address changed",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_swapped_pair_and_the_unknown() {
        assert_eq!(text(Errno::EPERM), "permission denied");
        assert_eq!(text(Errno::EACCES), "access denied");
        assert_eq!(text(Errno::EOVERFLOW), "unknown error");
        assert_eq!(text(Errno::UnknownErrno), "unknown error");
    }
}
