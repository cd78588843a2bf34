//! What a runner does to itself when nothing but the task is left to do.

use crate::Instruction;
use std::ffi::{c_int, c_long, c_uint};

const PR_SET_DUMPABLE: c_int = 4;
const PR_SET_SECCOMP: c_int = 22;
const PR_GET_TSC: c_int = 25;
const PR_SET_TSC: c_int = 26;
const PR_TSC_SIGSEGV: u64 = 2;
const PR_SET_MDWE: c_int = 65;
const PR_GET_MDWE: c_int = 66;
const PR_MDWE_REFUSE_EXEC_GAIN: u64 = 1;
const SECCOMP_MODE_FILTER: u64 = 2;
const RLIMIT_NPROC: c_uint = 6;
const RLIMIT_NOFILE: c_uint = 7;
const SECCOMP_SET_MODE_FILTER: c_long = 1;
const SECCOMP_FILTER_FLAG_TSYNC: c_long = 1;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
    fn setrlimit(resource: c_uint, limit: *const [u64; 2]) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// Everything for a task: no new descriptor, no new code, no clock, no debugger, and the last filter.
pub fn for_task() -> Result<(), String> {
    without_filter()?;
    put_on(&crate::last())
}

/// For a compiler: it may read the clock.
pub fn for_compiling() -> Result<(), String> {
    give_up()?;
    put_on(&crate::compiling())
}

/// As [`for_task`] without the filter: the escape suite shows what holds then.
pub fn without_filter() -> Result<(), String> {
    // No clock means no timing of what shares the processor. Only x86 can, and some virtual kernels cannot: the warden says
    // so by the same question. What can be had and is not is a failure.
    let mut mode: c_int = 0;
    // SAFETY: room for an int.
    let has_tsc = unsafe { prctl(PR_GET_TSC, &raw mut mode) } == 0;
    // SAFETY: takes numbers.
    if has_tsc && unsafe { prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0u64, 0u64, 0u64) } != 0 {
        return Err(failed("no clock"));
    }
    give_up()
}

fn give_up() -> Result<(), String> {
    // The seed of this thread's hash maps: drawn once, while there is a call to draw it with.
    drop(std::hash::RandomState::new());
    // What was compiled is mapped; nothing becomes executable any more. Before Linux 6.3 the filter alone says so.
    // SAFETY: takes numbers.
    let has_mdwe = unsafe { prctl(PR_GET_MDWE, 0u64, 0u64, 0u64, 0u64) } >= 0;
    // SAFETY: takes numbers.
    if has_mdwe && unsafe { prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0u64, 0u64, 0u64) } != 0 {
        return Err(failed("no new code"));
    }
    stay_as_it_is()
}

/// For V8 in Node, on all its threads, which are there already: no new descriptor, thread or process, no debugger, and its
/// last filter. Code comes and goes with the task, and the clock is Node's.
pub fn for_v8() -> Result<(), String> {
    v8_without_filter()?;
    put_on_every_thread(&crate::v8_last())
}

/// As [`for_v8`] without the filter.
pub fn v8_without_filter() -> Result<(), String> {
    none_of(RLIMIT_NPROC, "no new threads")?;
    stay_as_it_is()
}

fn stay_as_it_is() -> Result<(), String> {
    // Those that are open stay open; a socket, a ring, a file would need a new one.
    none_of(RLIMIT_NOFILE, "no new descriptors")?;
    // SAFETY: takes numbers.
    if unsafe { prctl(PR_SET_DUMPABLE, 0u64, 0u64, 0u64, 0u64) } != 0 {
        return Err(failed("not dumpable"));
    }
    Ok(())
}

fn none_of(resource: c_uint, what: &str) -> Result<(), String> {
    let none = [0, 0];
    // SAFETY: a valid `struct rlimit`.
    if unsafe { setrlimit(resource, &raw const none) } == 0 { Ok(()) } else { Err(failed(what)) }
}

fn put_on(filter: &[Instruction]) -> Result<(), String> {
    let length = u16::try_from(filter.len()).map_err(|_| "the filter is too long".to_owned())?;
    let program = Program { length, instructions: filter.as_ptr() };
    // SAFETY: the program lives through the call; the kernel copies it.
    let installed = unsafe { prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program, 0u64, 0u64) };
    if installed == 0 { Ok(()) } else { Err(failed("the last filter")) }
}

/// The kernel refuses, with a thread's number, when one of them has other filters than the caller.
fn put_on_every_thread(filter: &[Instruction]) -> Result<(), String> {
    let length = u16::try_from(filter.len()).map_err(|_| "the filter is too long".to_owned())?;
    let program = Program { length, instructions: filter.as_ptr() };
    let call = c_long::from(crate::sysno::SECCOMP);
    // SAFETY: the program lives through the call; the kernel copies it.
    let result = unsafe { syscall(call, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &raw const program) };
    if result == 0 { Ok(()) } else { Err(failed("the last filter")) }
}

/// Ends every thread at once, with no destructor and no other call.
pub fn end(code: i32) -> ! {
    // SAFETY: takes a number and does not come back.
    unsafe { syscall(c_long::from(crate::sysno::EXIT_GROUP), i64::from(code)) };
    std::process::abort()
}

fn failed(what: &str) -> String {
    format!("{what}: {}", std::io::Error::last_os_error())
}
