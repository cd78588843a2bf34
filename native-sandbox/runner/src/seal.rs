//! What the runner does to itself when nothing but the task is left to do.

use askee_filter::Instruction;
use std::ffi::{c_int, c_long};

const PR_SET_DUMPABLE: c_int = 4;
const PR_SET_SECCOMP: c_int = 22;
const PR_SET_TSC: c_int = 26;
const PR_TSC_SIGSEGV: u64 = 2;
const SECCOMP_MODE_FILTER: u64 = 2;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// No core dump or debugger, no processor clock, and the last filter: from here on two pipes and memory.
pub fn for_task() -> Result<(), String> {
    if cfg!(target_arch = "x86_64") {
        // No clock means no timing of what shares the processor. Refused by some virtual machines: then it stays.
        // SAFETY: takes numbers.
        unsafe { prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0u64, 0u64, 0u64) };
    }
    put_on(&askee_filter::last())
}

/// As for a task, but with a clock: the compiler times itself.
pub fn for_compiling() -> Result<(), String> {
    put_on(&askee_filter::compiling())
}

fn put_on(filter: &[Instruction]) -> Result<(), String> {
    // The seed of this thread's hash maps: drawn once, while there is a call to draw it with.
    drop(std::hash::RandomState::new());
    // SAFETY: takes numbers.
    let dumpable = unsafe { prctl(PR_SET_DUMPABLE, 0u64, 0u64, 0u64, 0u64) };
    if dumpable != 0 {
        return Err(failed("not dumpable"));
    }
    let length = u16::try_from(filter.len()).map_err(|_| "the filter is too long".to_owned())?;
    let program = Program { length, instructions: filter.as_ptr() };
    // SAFETY: the program lives through the call; the kernel copies it.
    let installed = unsafe { prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program, 0u64, 0u64) };
    if installed != 0 {
        return Err(failed("the last filter"));
    }
    Ok(())
}

/// Ends every thread at once.
pub fn end(code: i32) -> ! {
    // SAFETY: takes a number and does not come back.
    unsafe { syscall(c_long::from(askee_filter::sysno::EXIT_GROUP), i64::from(code)) };
    std::process::abort()
}

fn failed(what: &str) -> String {
    format!("{what}: {}", std::io::Error::last_os_error())
}
