//! Into the sandbox, before a byte of anybody is read: no file, network, process or service, and limits of one's own.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Error;
use std::ptr::null_mut;

/// Descriptors from the warden, beside the standard three and the control page.
const LIFELINE_PLACE: c_int = 4;
const STATUS_PLACE: c_int = 5;
/// Nothing is allowed: what is left is what needs no permission, memory and the descriptors that are open.
const PROFILE: &CStr = c"(version 1)\n(deny default)";

/// `RLIMIT_…`
const CPU: c_int = 0;
const FSIZE: c_int = 1;
const CORE: c_int = 4;
const MEMLOCK: c_int = 6;
const NPROC: c_int = 7;
const NOFILE: c_int = 8;

unsafe extern "C" {
    fn sandbox_init(profile: *const c_char, flags: u64, error: *mut *mut c_char) -> c_int;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
    fn read(fd: c_int, buffer: *mut c_void, count: usize) -> isize;
    fn write(fd: c_int, buffer: *const c_void, count: usize) -> isize;
    fn close(fd: c_int) -> c_int;
    fn _exit(code: c_int) -> !;
}

/// The engine is there (it asks the system for the processor's features), the control page is mapped, nothing was read.
pub fn into_sandbox() -> Result<(), String> {
    hold_the_lifeline();
    let mut why = null_mut();
    // SAFETY: a text, and a place for another that is only read when the call says so.
    if unsafe { sandbox_init(PROFILE.as_ptr(), 0, &raw mut why) } != 0 {
        let text = if why.is_null() {
            "unknown".into()
        } else {
            // SAFETY: a text that the call made; it is never freed, because we end.
            unsafe { CStr::from_ptr(why) }.to_string_lossy()
        };
        return Err(format!("sandbox_init: {text}"));
    }
    // Only now: making the sandbox loads a library.
    for resource in [FSIZE, CORE, MEMLOCK, NPROC, NOFILE] {
        limit(resource, 0)?;
    }
    // The warden waits for this byte, and asks the kernel whether it is true.
    // SAFETY: one byte to an open pipe, which is closed then and used by nobody else.
    let written = unsafe {
        let written = write(STATUS_PLACE, [1u8].as_ptr().cast(), 1);
        close(STATUS_PLACE);
        written
    };
    if written == 1 { Ok(()) } else { Err("the warden is gone".to_owned()) }
}

/// What could be given up was given up before anything was read.
pub fn for_task() -> Result<(), String> {
    Ok(())
}

pub fn for_compiling() -> Result<(), String> {
    let seconds = std::env::args().nth(2).and_then(|text| text.parse().ok());
    seconds.map_or(Ok(()), |seconds| limit(CPU, seconds))?;
    into_sandbox()
}

fn limit(resource: c_int, value: u64) -> Result<(), String> {
    let both = [value, value];
    // SAFETY: a valid `struct rlimit`.
    let result = unsafe { setrlimit(resource, &raw const both) };
    if result == 0 { Ok(()) } else { Err(format!("limit {resource}: {}", Error::last_os_error())) }
}

/// There is no signal for a parent's death: a thread waits for the end of a pipe whose other end only the warden has.
fn hold_the_lifeline() {
    std::thread::spawn(|| {
        let mut byte = 0u8;
        // SAFETY: room for one byte. Nothing is ever written: it returns at the end, or with an error, which is as bad.
        unsafe {
            read(LIFELINE_PLACE, (&raw mut byte).cast(), 1);
            _exit(0)
        }
    });
}
