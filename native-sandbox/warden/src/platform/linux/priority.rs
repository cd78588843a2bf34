//! Gives way to the person: last in the queue of the processor and of the disk, in a session of its own.
//!
//! With autogroups on, priorities count only inside a session, so the session itself must be made nice as well.

use super::sys;
use std::fs;
use std::io;

const SCHED_IDLE: i32 = 5;
const IOPRIO_WHO_PROCESS: u64 = 1;
const IOPRIO_CLASS_IDLE: u64 = 3 << 13;
const NICEST: i32 = 19;

/// In the child, before it is confined.
pub fn be_idle() -> io::Result<()> {
    // SAFETY: numbers only; a fresh child is never the leader of a group, so it cannot fail.
    sys::check(i64::from(unsafe { sys::setsid() }))?;
    sys::set_nice(NICEST)?;
    sys::call(sys::number::IOPRIO_SET, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE)?;
    sys::set_scheduler(SCHED_IDLE)
}

/// In the parent, once the child has its session. The kernel takes one such change in 100 ms from a normal user.
pub fn set_autogroup(pid: i32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/autogroup"), NICEST.to_string())
}
