//! What a killed warden can no longer do. A second process, of ordinary priority, waits for the warden's end, lifts the work's
//! priority so that it gets a turn to die, and removes what is left of it. By then the kernel has killed the work (parent-death):
//! without this process dying takes longer on a busy machine, and an empty group stays. It reads nothing from anybody.

use super::cgroup::{self, Group};
use super::namespaces::{self, Forked};
use super::priority::{self, Autogroup};
use super::process::{HURRY_AGAIN_NS, Work};
use super::sys;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So that what ends the agent by its terminal or its service does not end this one first.
const IGNORED: [i32; 3] = [1, 2, 15];
const LONGEST: Duration = Duration::from_secs(10);
/// Where the descriptors are that it keeps.
const WARDEN: RawFd = 0;
const WORK: RawFd = 1;
const AUTOGROUP: RawFd = 2;

/// What is to be removed after the work.
struct Remains {
    group: Option<PathBuf>,
    /// Folder of compiled modules, where a draft may lie.
    drafts: Option<PathBuf>,
}

/// Ended when dropped: then the warden itself has done it all.
pub struct Reaper {
    pid: i32,
    _pidfd: OwnedFd,
}

impl Reaper {
    /// The caller must have one thread.
    pub fn start(work: &Work, group: Option<&Group>, drafts: Option<&Path>) -> io::Result<Self> {
        let remains = Remains { group: group.map(|group| group.path.clone()), drafts: drafts.map(Path::to_owned) };
        let warden = std::process::id();
        let watched = sys::pidfd(warden as i32)?;
        match namespaces::fork(false, None)? {
            Forked::Parent { pid, pidfd } => Ok(Self { pid, _pidfd: pidfd }),
            Forked::Child => {
                // Whom could it tell what went wrong? The kernel kills the work all the same.
                let _ = keep(&watched, work)
                    .and_then(|autogroup| outlive(warden, work.pid, autogroup.as_ref(), &remains));
                // SAFETY: ends the process at once; nothing of the warden's is dropped twice.
                unsafe { sys::_exit(0) }
            }
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = sys::send_signal(self.pid, sys::SIGKILL);
        while sys::wait(self.pid, 0).is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
    }
}

/// Lets go of all descriptors but those two or three, above all of the pipes: nobody shall wait for their end because of us.
fn keep(watched: &OwnedFd, work: &Work) -> io::Result<Option<Autogroup>> {
    // A session of its own, and with it an autogroup at nice 0.
    sys::new_session()?;
    IGNORED.into_iter().for_each(sys::ignore_signal);
    sys::name_process(c"askee-reaper")?;
    let autogroup = work.autogroup.as_ref().map_or(watched.as_raw_fd(), Autogroup::as_raw_fd);
    for (from, to) in [(watched.as_raw_fd(), WARDEN), (work.pidfd.as_raw_fd(), WORK), (autogroup, AUTOGROUP)] {
        // SAFETY: numbers only. The warden keeps 0 to 3 taken, so that none of these is overwritten.
        sys::check(i64::from(unsafe { sys::dup2(from, to) }))?;
    }
    sys::call(sys::number::CLOSE_RANGE, 3, u64::from(u32::MAX), 0)?;
    Ok(work.autogroup.is_some().then(|| Autogroup::at(AUTOGROUP)))
}

fn outlive(warden: u32, work: i32, autogroup: Option<&Autogroup>, remains: &Remains) -> io::Result<()> {
    while !sys::has_ended(WARDEN, None)? {}
    let start = Instant::now();
    while !sys::has_ended(WORK, Some(0))? && start.elapsed() < LONGEST {
        // Not collected yet, or just being: its number is not given to another within this moment.
        priority::hurry(work, autogroup);
        let _ = sys::call(sys::number::PIDFD_SEND_SIGNAL, WORK as u64, sys::SIGKILL as u64, 0);
        if !sys::has_ended(WORK, Some(HURRY_AGAIN_NS))? && remains.group.is_some() {
            cgroup::release(work);
        }
    }
    if let Some(group) = &remains.group {
        cgroup::remove(group);
    }
    if let Some(directory) = &remains.drafts {
        remove_drafts(directory, warden);
    }
    Ok(())
}

/// `HEX.PID.draft`, see [`crate::cache`].
fn remove_drafts(directory: &Path, warden: u32) {
    let end = format!(".{warden}.draft");
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(&end) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
