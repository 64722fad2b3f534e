//! Extended attributes: how a service manager marks what it gives away.

#![expect(unsafe_code, reason = "a system call that no crate of ours wraps")]

use std::ffi::CStr;

/// Whether the attribute `name` of `path` is "1".
pub fn is_one(path: &CStr, name: &CStr) -> bool {
    let mut value = [0_u8; 8];
    // SAFETY: both strings end with a NUL; the kernel writes at most as much as it is told there is.
    let length =
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast::<libc::c_void>(), value.len()) };
    length == 1 && value[0] == b'1'
}
