//! The memory watch against real processes, which no other limit holds.

use super::*;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// Killed and collected by its [`Work`]. A greedy one ends by itself at 2 GB, with an exit code.
#[expect(clippy::zombie_processes, reason = "its Work waits")]
fn spawn(script: &str) -> Work {
    let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
    let pid = child.id() as i32;
    Work::of(pid, sys::pidfd(pid).unwrap())
}

/// Takes all memory it can get: a line without an end.
fn greedy() -> Work {
    spawn("ulimit -v 2000000; exec tail /dev/zero 2>/dev/null")
}

fn quiet() -> Work {
    spawn("exec sleep 1000")
}

/// Looks after both until one of them ends: how the runner and the compiler did.
fn watch(runner: Work, compiler: Work) -> (Machine, Option<End>, Option<End>) {
    let mut machine = Machine::new().unwrap();
    (machine.memory_bytes, machine.compile_memory_bytes) = (32 * MIB, 32 * MIB);
    (machine.runner, machine.compiler) = (Some(runner), Some(compiler));
    let start = Instant::now();
    loop {
        machine.on_time();
        sleep(Duration::from_millis(2));
        let reap = |work: &mut Option<Work>| work.as_mut().and_then(|work| work.reap(sys::WNOHANG));
        let ends = (reap(&mut machine.runner), reap(&mut machine.compiler));
        if ends != (None, None) || start.elapsed() > Duration::from_secs(120) {
            return (machine, ends.0, ends.1);
        }
    }
}

#[test]
fn gov_7_a_compiler_over_its_memory_is_ended_and_the_runner_is_not() {
    let (machine, runner, compiler) = watch(quiet(), greedy());
    assert_eq!((runner, compiler), (None, Some(End::Signalled(sys::SIGKILL))));
    assert!(!machine.over_memory && machine.peak_bytes > 32 * MIB);
}

#[test]
fn gov_7_a_runner_over_its_memory_is_ended_also_beside_a_compiler() {
    let (mut machine, ..) = watch(greedy(), quiet());
    assert!(machine.over_memory, "before anything is waited for");
    for work in [&mut machine.runner, &mut machine.compiler] {
        assert_eq!(work.as_mut().and_then(|work| work.reap(0)), Some(End::Signalled(sys::SIGKILL)));
    }
    assert_eq!(machine.cause_of(End::Signalled(sys::SIGKILL)), Cause::Memory);
}
