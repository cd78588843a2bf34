//! Puts on the filter that the runner starts under, and looks from outside how many filters a process has.

use super::sys;
use askee_filter::Instruction;
use std::fs;
use std::io;
use std::path::Path;

const SET_MODE_FILTER: u64 = 1;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

pub fn install(filter: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = Program { length, instructions: filter.as_ptr() };
    // SAFETY: the program and its instructions live through the call; the kernel copies them.
    let result = unsafe { sys::syscall(sys::number::SECCOMP, SET_MODE_FILTER, 0u64, &raw const program) };
    sys::check(result).map(drop)
}

/// Filters in force on every thread of process `pid`; `None` where the kernel does not say (before 5.9).
pub fn filters_of(pid: i32) -> Option<u32> {
    filters_in(Path::new("/proc/self/status"))?;
    // What cannot be looked at counts as having none.
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    Some(threads.map(|thread| filters_in(&thread.path().join("status")).unwrap_or(0)).min().unwrap_or(0))
}

fn filters_in(status: &Path) -> Option<u32> {
    let status = fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"))?;
    line.trim().parse().ok()
}
