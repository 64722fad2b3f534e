//! `execve` with its vectors made beforehand, so that nothing is allocated when the limits on memory are
//! already in force; and the environment as it really is (std hides entries without `=`).
#![expect(unsafe_code, reason = "an execve that allocates nothing, which no library has")]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;

use libc::c_char;
use nix::errno::Errno;

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Pointers to strings, with the null pointer at the end that `execve` asks for.
pub struct Vector<'a> {
    pointers: Vec<*const c_char>,
    strings: PhantomData<&'a CStr>,
}

impl<'a> Vector<'a> {
    /// A vector of these strings.
    pub fn new(strings: impl Iterator<Item = &'a CStr>) -> Self {
        let pointers = strings.map(CStr::as_ptr).chain([ptr::null()]).collect();
        Vector { pointers, strings: PhantomData }
    }
}

/// Becomes the program in file `path`; returns only if that fails. Allocates nothing.
pub fn execve(path: &CStr, words: &Vector, environment: &Vector) -> Errno {
    // SAFETY: all three are borrowed until the call is over; both vectors end in a null pointer and their strings
    // in NUL, by construction.
    unsafe { libc::execve(path.as_ptr(), words.pointers.as_ptr(), environment.pointers.as_ptr()) };
    Errno::last()
}

/// The environment, entry by entry, in its order.
pub fn environment() -> impl Iterator<Item = &'static CStr> {
    let mut index = 0;
    std::iter::from_fn(move || {
        // SAFETY: `environ` is null or a vector of strings that ends in a null pointer, at which reading stops
        // (`index` is then not moved on). The strings lie where the kernel put them: this program does not change
        // its environment.
        unsafe {
            if environ.is_null() || (*environ.add(index)).is_null() {
                return None;
            }
            index += 1;
            Some(CStr::from_ptr(*environ.add(index - 1)))
        }
    })
}
