//! Gives way to the person: last in the queue of the processor and of the disk, in a session of its own.
//!
//! With autogroups on, priorities count only inside a session, so the session itself must be made nice as well.

use super::sys;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

const SCHED_OTHER: i32 = 0;
const SCHED_IDLE: i32 = 5;
const IOPRIO_WHO_PROCESS: u64 = 1;
const IOPRIO_CLASS_IDLE: u64 = 3 << 13;
const NICEST: i32 = 19;

/// In the child, before it is confined.
pub fn be_idle() -> io::Result<()> {
    sys::new_session()?;
    sys::set_nice(0, NICEST)?;
    sys::call(sys::number::IOPRIO_SET, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE)?;
    sys::set_scheduler(0, SCHED_IDLE)
}

/// How nice a process's session is, to be set from outside. Held open, because the file cannot be opened any more once
/// the runner is not dumpable. The kernel takes one change in 100 ms from a normal user.
pub struct Autogroup(File);

impl Autogroup {
    /// Once the process has a session of its own.
    pub fn of(pid: i32) -> io::Result<Self> {
        File::options().write(true).open(format!("/proc/{pid}/autogroup")).map(Self)
    }

    /// The same, where the descriptor is known by its number only.
    pub fn at(fd: RawFd) -> Self {
        // SAFETY: the caller's descriptor, given away.
        Self(unsafe { File::from_raw_fd(fd) })
    }

    pub fn be_nicest(&self) -> io::Result<()> {
        self.set(NICEST)
    }

    fn set(&self, nice: i32) -> io::Result<()> {
        (&self.0).write_all(nice.to_string().as_bytes())
    }
}

impl AsRawFd for Autogroup {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Priorities are each thread's own. The first has the number of the process.
fn threads_of(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut threads: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    if threads.is_empty() {
        threads.push(pid);
    }
    threads
}

/// For a process that is about to be killed: an idle one would wait for its turn to die.
pub fn hurry(pid: i32, autogroup: Option<&Autogroup>) {
    // It may have ended, or the kernel may want to wait: then dying takes longer, and that is all.
    for thread in threads_of(pid) {
        let _ = sys::set_scheduler(thread, SCHED_OTHER);
        let _ = sys::set_nice(thread, 0);
    }
    if let Some(autogroup) = autogroup {
        let _ = autogroup.set(0);
    }
}
