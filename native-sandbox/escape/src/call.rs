//! Raw system calls: what injected code would use.

use std::ffi::{CStr, c_long};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut i32;
}

/// What an attempt came to: what it reached, or the error number that stopped it.
pub type Attempt = Result<String, i32>;

/// A call with its raw arguments.
///
/// # Safety
/// As for the system call itself: pointers among the arguments must be what it expects.
pub unsafe fn call(number: i64, arguments: [u64; 6]) -> Result<i64, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller's promise; errno is this thread's.
    unsafe {
        match syscall(number, a, b, c, d, e, f) {
            -1 => Err(*__errno_location()),
            value => Ok(value),
        }
    }
}

/// A call whose arguments are numbers, or pointers that the kernel only reads from memory we own.
pub fn plain(number: i64, arguments: &[u64]) -> Result<i64, i32> {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: see above; the attempts pass addresses of live locals and constants.
    unsafe { call(number, all) }
}

pub fn text(text: &CStr) -> u64 {
    text.as_ptr() as u64
}

pub fn say(line: &str) {
    let line = format!("{line}\n");
    let _ = plain(1, &[1, line.as_ptr() as u64, line.len() as u64]);
}

pub fn succeeded(what: &str) -> Attempt {
    Ok(what.to_owned())
}
