//! kill -9 of a warden, and KILL, and what is left.

use crate::experiments::{PERSON, seconds, tell};
use crate::foreground::Busy;
use crate::sys;
use crate::warden::{DELEGATED, EXIT, KILL, Warden};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
/// Of each victim.
const DEATHS: usize = 25;
/// Milliseconds. 100 are asked for; a machine without KVM on a busy host takes its time. Left in the idle group, they wait
/// for 5 to 70 seconds beside a busy program.
const LIMIT: f64 = 1000.0;

/// Groups of tasks that are there now.
fn groups() -> usize {
    let entries = fs::read_dir(DELEGATED).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("askee-")).count()
}

/// A running task, and beside it a busy program or none. It starts last: beside it the task would hardly begin.
fn running(program: Option<&str>) -> (Warden, Option<Busy>) {
    let mut warden = Warden::start("spin", "");
    warden.until_running();
    let busy = program.map(Busy::start);
    sleep(Duration::from_millis(300));
    (warden, busy)
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// Milliseconds until the group is empty after kill -9 of its warden.
fn kill_warden(program: Option<&str>) -> f64 {
    let (mut warden, _busy) = running(program);
    let group = warden.group();
    let start = Instant::now();
    let _ = warden.child.kill();
    while !fs::read_to_string(format!("{group}/cgroup.procs")).unwrap_or_default().is_empty()
        && start.elapsed() < seconds(5)
    {
        sleep(Duration::from_millis(1));
    }
    milliseconds(start)
}

/// Milliseconds until the group is empty after kill -9 of the agent, a process that only holds its warden's pipes.
fn kill_agent() -> f64 {
    const RUNNING: &str = "/tmp/running";
    let agent = sys::in_child(|| {
        let mut warden = Warden::start("spin", "");
        warden.until_running();
        let _ = fs::write(RUNNING, warden.group());
        loop {
            sleep(seconds(60));
        }
    });
    let mut group = String::new();
    while group.is_empty() {
        sleep(Duration::from_millis(5));
        group = fs::read_to_string(RUNNING).unwrap_or_default();
    }
    let _ = fs::remove_file(RUNNING);
    let start = Instant::now();
    sys::send_signal(agent, sys::SIGKILL);
    while !fs::read_to_string(format!("{group}/cgroup.procs")).unwrap_or_default().is_empty()
        && start.elapsed() < seconds(5)
    {
        sleep(Duration::from_millis(1));
    }
    let span = milliseconds(start);
    sys::reap(agent, true);
    span
}

/// Milliseconds from KILL to EXIT.
fn end_task(program: Option<&str>) -> f64 {
    let (mut warden, _busy) = running(program);
    let start = Instant::now();
    warden.send(KILL, &[]);
    warden.until(&[EXIT]);
    milliseconds(start)
}

pub fn of_warden() {
    tell_spans("warden killed", DEATHS, || kill_warden(None));
    tell_spans("agent killed", DEATHS, kill_agent);
    let start = Instant::now();
    while groups() > 0 && start.elapsed() < seconds(5) {
        sleep(Duration::from_millis(1));
    }
    let measured = format!("{} of {} left after {} ms", groups(), 2 * DEATHS, start.elapsed().as_millis());
    tell("groups of killed wardens and agents", "none, without another warden", &measured, groups() == 0);
}

/// The delegated group is idle: whoever dies in it waits for the busy program, unless somebody takes it out.
pub fn beside_a_busy_program() {
    tell_spans("KILL", ROUNDS, || end_task(None));
    tell_spans("KILL beside a busy program", ROUNDS, || end_task(Some(PERSON)));
    tell_spans("warden killed beside a busy program", ROUNDS, || kill_warden(Some(PERSON)));
}

fn tell_spans(name: &str, rounds: usize, span: impl Fn() -> f64) {
    let mut spans: Vec<f64> = (0..rounds).map(|_| span()).collect();
    spans.sort_by(f64::total_cmp);
    let (median, worst) = (spans[rounds / 2], spans[rounds - 1]);
    let measured = format!("median {median:.1} ms, worst {worst:.1} ms of {rounds}");
    tell(name, "gone within 0.1 s; here within 1 s", &measured, median < LIMIT);
}
