//! Stops and continues processes, and knows when none of them runs any more.

use super::cgroup::Group;
use super::process::Work;
use super::sys;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

const ESRCH: i32 = 3;
const LOOK_AGAIN: Duration = Duration::from_micros(50);
/// A process in an uninterruptible call (disk) stops when that returns.
const LONGEST: Duration = Duration::from_secs(5);

/// Stops everything; returns when it is stopped.
pub fn stop(group: Option<&Group>, works: &[&Work]) -> Result<Duration, String> {
    let start = Instant::now();
    let frozen_group = group.filter(|group| group.freeze(true).is_ok());
    if frozen_group.is_none() {
        for work in works {
            signal(work, sys::SIGSTOP)?;
        }
    }
    let mut used = Vec::new();
    loop {
        let before = std::mem::replace(&mut used, works.iter().map(|work| work.processor_ns()).collect());
        let is_still = match frozen_group {
            Some(group) => group.is_frozen(),
            None => works.iter().all(|work| is_stopped(work.pid)),
        };
        if is_still || (before == used && works.iter().all(|work| is_held(work.pid))) {
            break;
        }
        if start.elapsed() > LONGEST {
            return Err(format!("expected the work to stand still within {LONGEST:?}"));
        }
        sleep(LOOK_AGAIN);
    }
    Ok(start.elapsed())
}

/// Both ways, whichever stopped it: a group without the cpu controller can be frozen while the duty cycle has its work stand.
pub fn go_on(group: Option<&Group>, works: &[&Work]) -> Result<(), String> {
    // Before Linux 5.2 it cannot be frozen, and is not.
    if let Some(group) = group
        && let Err(error) = group.freeze(false)
        && group.is_frozen()
    {
        return Err(format!("expected the group to thaw: {error}"));
    }
    works.iter().try_for_each(|work| signal(work, sys::SIGCONT))
}

/// For the duty cycle: no need to wait until it takes effect.
pub fn signal(work: &Work, signal: i32) -> Result<(), String> {
    if work.end.is_some() {
        return Ok(());
    }
    sys::send_signal(work.pid, signal).map_err(|error| format!("signal {signal}: {error}"))
}

/// All its threads stopped, dead, or gone. What cannot be looked at for another reason than that is not known to stand.
fn is_stopped(pid: i32) -> bool {
    threads_of(pid).is_ok_and(|threads| threads.iter().all(|thread| is_thread_stopped(thread)))
}

/// Folders of its threads in /proc; none when it is gone.
fn threads_of(pid: i32) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(format!("/proc/{pid}/task")) {
        Ok(threads) => threads.map(|thread| thread.map(|thread| thread.path())).collect(),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_thread_stopped(thread: &Path) -> bool {
    let stat = match fs::read_to_string(thread.join("stat")) {
        Ok(stat) => stat,
        Err(error) => return is_gone(&error),
    };
    let state = stat.rfind(')').and_then(|at| stat.as_bytes().get(at + 2));
    state.is_some_and(|state| matches!(state, b'T' | b't' | b'Z' | b'X'))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

/// Waits for a processor with a stop before it: Linux takes the signal before it lets the process run on, so that with its
/// processor time at rest no instruction of it is carried out. On a busy machine the stop itself may take its time.
///
/// Of several threads one takes the signal, and by that stops the others: then it is no longer pending, and each
/// stops before it would carry out another instruction.
fn is_held(pid: i32) -> bool {
    const STOP: u64 = 1 << (sys::SIGSTOP - 1);
    let is_single = threads_of(pid).is_ok_and(|threads| threads.len() <= 1);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    is_stopped(pid) || pending.is_some_and(|mask| (mask & STOP != 0) == is_single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_5_a_process_stands_when_all_its_threads_do() {
        let own = std::process::id() as i32;
        assert!(!is_stopped(own));
        assert!(is_stopped(i32::MAX), "nobody has this number");
        assert!(!is_thread_stopped(Path::new("/proc")), "a file without a state");
    }

    /// A group with memory and pids only, as systemd gives to a user by default before its version 252.
    #[test]
    #[expect(clippy::zombie_processes, reason = "its Work waits")]
    fn sbx_5_work_that_stood_for_its_share_when_its_group_was_frozen_goes_on() {
        let path = std::env::temp_dir().join(format!("askee-thaw-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let group = Group { path: path.clone(), limits_cpu: false };
        let child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        let work = Work::of(pid, sys::pidfd(pid).unwrap());
        let until = |stopped: bool| {
            (0..10_000).any(|_| {
                is_stopped(pid) == stopped || {
                    sleep(LOOK_AGAIN * 20);
                    false
                }
            })
        };
        signal(&work, sys::SIGSTOP).unwrap();
        assert!(until(true));
        go_on(Some(&group), &[&work]).unwrap();
        assert_eq!(fs::read_to_string(path.join("cgroup.freeze")).unwrap(), "0");
        assert!(until(false), "it stands for ever");
        drop((work, group));
        fs::remove_dir_all(path).unwrap();
    }
}
