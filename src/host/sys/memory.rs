//! The C library's heap: kept in one piece, and given back after a burst.

#![expect(unsafe_code, reason = "nix has no mallopt and no malloc_trim")]

/// All threads share one heap: what one frees another can use. To be called before the first
/// thread is started. Without it each thread keeps a heap of its own, mostly empty.
pub fn share_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number in the allocator; no memory is touched.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives free pages back to the kernel.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's own locks; live blocks stay where they are.
    unsafe {
        libc::malloc_trim(0);
    }
}
