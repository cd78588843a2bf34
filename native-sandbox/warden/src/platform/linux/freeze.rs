//! Stops and continues processes, and knows when none of them runs any more.

use super::cgroup::Group;
use super::process::Work;
use super::sys;
use std::thread::sleep;
use std::time::{Duration, Instant};

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
    let is_still = || match frozen_group {
        Some(group) => group.is_frozen(),
        None => works.iter().all(|work| is_stopped(work.pid)),
    };
    while !is_still() {
        if start.elapsed() > LONGEST {
            return Err(format!("expected the work to stand still within {LONGEST:?}"));
        }
        sleep(LOOK_AGAIN);
    }
    Ok(start.elapsed())
}

pub fn go_on(group: Option<&Group>, works: &[&Work]) -> Result<(), String> {
    if group.is_some_and(|group| group.freeze(false).is_ok()) {
        return Ok(());
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

/// Stopped, dead, or gone.
fn is_stopped(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let state = stat.rfind(')').and_then(|at| stat.as_bytes().get(at + 2));
    state.is_none_or(|state| matches!(state, b'T' | b't' | b'Z' | b'X'))
}
