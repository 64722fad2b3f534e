//! Messages that carry descriptors (SCM_RIGHTS), or the credentials of who sent them (SCM_CREDENTIALS).

#![expect(unsafe_code, reason = "the received number becomes a descriptor that we own")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// As many descriptors as a message of ours carries.
pub const MOST: usize = 8;

/// Room for them and for credentials, aligned as control messages are.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// Sends `bytes`, along with `descriptors`, at most [`MOST`]. Blocks where the socket does.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[RawFd]) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let rights = [ControlMessage::ScmRights(descriptors)];
    let control = if descriptors.is_empty() { &[] } else { &rights[..] };
    let parts = [io::IoSlice::new(bytes)];
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(nix::errno::Errno::EINTR) => {}
            sent => return sent.map(drop).map_err(io::Error::from),
        }
    }
}

/// The supplementary groups of who is at the other end of a stream, as they were when it connected (SO_PEERGROUPS, Linux
/// 4.13).
pub fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 32];
    loop {
        let room = groups.len() * size_of::<u32>();
        let mut length = room as libc::socklen_t;
        // SAFETY: `groups` has room for `length` bytes, and any bytes are numbers.
        let got = unsafe {
            let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERGROUPS);
            libc::getsockopt(socket.as_raw_fd(), level, name, groups.as_mut_ptr().cast(), &raw mut length)
        };
        let count = length as usize / size_of::<u32>();
        if got == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // The kernel then says how much room it needs, for 65,536 groups at most.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// What came with a message.
#[derive(Debug, Default)]
pub struct Received {
    /// How long it is, as far as it fits.
    pub length: usize,
    /// Whether it is longer than the buffer.
    pub truncated: bool,
    /// Pid and uid of who sent it, where the socket has SO_PASSCRED: by the kernel's word.
    pub sender: Option<(i32, u32)>,
    /// The descriptors that came along, in their order; more than [`MOST`] are closed.
    pub descriptors: [Option<OwnedFd>; MOST],
}

/// Receives one message without waiting and without allocating; of length 0 at the end of the
/// connection. `None`: there is none now.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Received>> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = Control([0; 128]);
    // SAFETY: all-zero is a legal msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>();
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: `message` names buffers that live here.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    if length < 0 {
        let error = io::Error::last_os_error();
        let later = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
        return if later { Ok(None) } else { Err(error) };
    }
    let truncated = message.msg_flags & libc::MSG_TRUNC != 0;
    let mut received = Received { length: length as usize, truncated, ..Received::default() };
    // SAFETY: the macros walk the control buffer that the kernel filled; each number in it is a
    // descriptor just made for us. Those for which there is no place are closed by the drop; those for
    // which the buffer has no room the kernel never gives.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let kind = (*header).cmsg_type;
            if (*header).cmsg_level == libc::SOL_SOCKET && kind == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header).cast::<[u8; size_of::<i32>()]>();
                let count = ((*header).cmsg_len - libc::CMSG_LEN(0) as usize) / size_of::<i32>();
                for n in 0..count {
                    let descriptor = OwnedFd::from_raw_fd(i32::from_ne_bytes(*data.add(n)));
                    if let Some(place) = received.descriptors.get_mut(n) {
                        *place = Some(descriptor);
                    }
                }
            } else if (*header).cmsg_level == libc::SOL_SOCKET && kind == libc::SCM_CREDENTIALS {
                let sender = libc::CMSG_DATA(header).cast::<libc::ucred>().read_unaligned();
                received.sender = Some((sender.pid, sender.uid));
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(Some(received))
}
