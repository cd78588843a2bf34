//! Limits of setrlimit(2): they hold with and without cgroups.

use super::sys;
use std::io;

const CPU: u32 = 0;
const FSIZE: u32 = 1;
const DATA: u32 = 2;
const STACK: u32 = 3;
const CORE: u32 = 4;
const NPROC: u32 = 6;
const NOFILE: u32 = 7;
const MEMLOCK: u32 = 8;
const LOCKS: u32 = 10;
const SIGPENDING: u32 = 11;
const MSGQUEUE: u32 = 12;
const NICE: u32 = 13;
const RTPRIO: u32 = 14;

/// The main thread's stack: the engine lets a task use half of it at most.
pub const STACK_BYTES: u64 = 16 * 1024 * 1024;
const OPEN_FILES: u64 = 16;
/// In the words of RLIMIT_NICE: nice 19, no less. At 0 the warden could not take it out of the idle class to die.
const NICEST: u64 = 1;

/// `memory_bytes` bounds private writable memory; the address space is not bounded, because the engine reserves it.
pub fn apply(memory_bytes: u64, cpu_seconds: Option<u64>) -> io::Result<()> {
    for resource in [CORE, FSIZE, MEMLOCK, LOCKS, MSGQUEUE, RTPRIO] {
        sys::limit(resource, 0)?;
    }
    sys::limit(NPROC, 0)?;
    // Most systems allow ordinary users 0 only.
    sys::limit(NICE, NICEST).or_else(|_| sys::limit(NICE, 0))?;
    sys::limit(SIGPENDING, 16)?;
    sys::limit(NOFILE, OPEN_FILES)?;
    sys::limit(STACK, STACK_BYTES)?;
    sys::limit(DATA, memory_bytes)?;
    cpu_seconds.map_or(Ok(()), |seconds| sys::limit(CPU, seconds))
}
