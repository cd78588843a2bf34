//! What is asked of a controller, and what it did.

use crate::warden::{EXIT, FAULT, FREEZE, FROZEN, KILL, RESULT, THAW, THAWED, Warden};
use crate::{apparmor, deaths, foreground, own, sys};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

type Experiment = fn();
pub const ALL: &[(&str, Experiment)] = &[
    ("report", report),
    ("cpu.max", cpu_max),
    ("cgroup-idle", foreground::wins),
    ("cgroup-idle refused", foreground::agent_inside),
    ("memory.max", memory_max),
    ("pids.max", pids_max),
    ("io.max", io_max),
    ("cgroup.freeze", freeze),
    ("cgroup.kill", kill),
    ("warden killed", deaths::of_warden),
    ("warden killed beside others", deaths::beside_a_busy_program),
    ("cgroup own", own::divides),
    ("cgroup own with others", own::refuses_others),
    ("cgroup own under systemd", own::asks_systemd),
    // Last: it stays in force.
    ("apparmor", apparmor::profile),
];
pub const PERSON: &str = "/sys/fs/cgroup/person";
const MIB: usize = 1024 * 1024;
const O_DIRECT: i32 = 0o40000;
const MEMORY_CAUSE: u8 = 3;

pub fn tell(name: &str, asked: &str, measured: &str, holds: bool) {
    let plain = |text: &str| text.replace(['"', '\\', '\n'], " ");
    println!(
        "@@ {{\"name\":\"{name}\",\"asked\":\"{}\",\"measured\":\"{}\",\"holds\":{holds}}}",
        plain(asked),
        plain(measured)
    );
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn join(group: &str) -> bool {
    fs::write(format!("{group}/cgroup.procs"), "0").is_ok()
}

fn report() {
    let warden = Warden::start("spin", "cpu-percent 25\nio-bytes-per-second 1048576");
    let enforced = |name: &str| warden.has_layer(name);
    let names =
        ["cgroup-cpu", "cgroup-memory", "cgroup-pids", "cgroup-io", "cgroup-kill", "cgroup-idle", "reaper"];
    let missing: Vec<&str> = names.into_iter().filter(|name| !enforced(name)).collect();
    let tier = warden.report.contains("{\"tier\":\"contained\"");
    let measured = format!("missing: {missing:?}, tier contained: {tier}");
    tell("report", "every cgroup layer enforced, tier contained", &measured, missing.is_empty() && tier);
    let others: Vec<&str> = warden.report.split("{\"name\":\"").filter(|part| part.contains("missing")).collect();
    println!("missing: {others:?}");
}

/// Share of one processor in percent over some seconds.
pub fn share(warden: &mut Warden, span: Duration) -> f64 {
    let (start, before) = (Instant::now(), warden.processor_us());
    sleep(span);
    if !fs::exists(warden.group()).unwrap_or(false) {
        let end = warden.until(&[EXIT]);
        println!("the task ended: {end:?}, said {:?}", String::from_utf8_lossy(&warden.said));
        return -1.0;
    }
    (warden.processor_us() - before) as f64 / start.elapsed().as_micros() as f64 * 100.0
}

fn cpu_max() {
    for percent in [10.0, 25.0, 60.0] {
        let mut warden = Warden::start("spin", &format!("cpu-percent {percent}"));
        warden.until_running();
        let got = share(&mut warden, seconds(4));
        let throttled = warden.number("cpu.stat", "nr_throttled");
        let measured = format!("{got:.1} %, throttled {throttled} times");
        tell("cpu.max", &format!("{percent} %"), &measured, got < percent * 1.1 && got > percent * 0.7);
    }
    let mut warden = Warden::start("spin", "cpu-percent 100");
    warden.until_running();
    let got = share(&mut warden, seconds(3));
    tell("cpu.max control", "100 %", &format!("{got:.1} %"), got > 80.0);
}

/// Takes memory a MiB at a time in `group`; how it ended.
fn eat(group: &str, bytes: usize) -> i32 {
    let eater = sys::in_child(|| {
        if !join(group) {
            return 3;
        }
        let mut held = Vec::new();
        for _ in 0..bytes / MIB {
            held.push(std::hint::black_box(vec![7u8; MIB]));
        }
        0
    });
    sys::reap(eater, true).unwrap_or(4)
}

fn memory_max() {
    let limit = 64 * MIB;
    let mut warden = Warden::start("spin", &format!("memory-bytes {limit}"));
    warden.until_running();
    let ended = eat(&warden.group(), 2 * limit);
    let kills = warden.number("memory.events", "oom_kill");
    let peak = fs::read_to_string(format!("{}/memory.peak", warden.group())).unwrap_or_default();
    let (kind, payload) = warden.until(&[EXIT]);
    let cause = payload.get(5).copied().unwrap_or(255);
    let measured =
        format!("eater ended {ended}, oom_kill {kills}, peak {}, runner's EXIT cause {cause}", peak.trim());
    let holds = ended == -sys::SIGKILL && kind == EXIT && cause == MEMORY_CAUSE;
    tell("memory.max", "64 MiB; all of the group ends, cause memory", &measured, holds);
    let control = eat(PERSON, 2 * limit);
    tell("memory.max control", "128 MiB outside the group", &format!("eater ended {control}"), control == 0);
    let mut hungry = Warden::start("hungry", "memory-bytes 50331648");
    let (_, payload) = hungry.until(&[EXIT]);
    let fault = hungry.has_said(FAULT);
    let cause = payload.get(5).copied().unwrap_or(255);
    tell(
        "memory of a module",
        "96 MiB with 48: fault or killed",
        &format!("FAULT {fault}, cause {cause}"),
        fault || cause == MEMORY_CAUSE,
    );
    let mut small = Warden::start("quick", "memory-bytes 33554432");
    let (_, payload) = small.until(&[EXIT]);
    let result = small.has_said(RESULT);
    tell(
        "compiling under memory.max",
        "a small module with 32 MiB runs",
        &format!("RESULT {result}, EXIT {payload:?}"),
        result,
    );
}

/// Children that could be made in `group` before the kernel refused, at most 100.
fn forks(group: &str) -> i32 {
    let parent = sys::in_child(|| {
        if !join(group) {
            return 200;
        }
        let mut children = Vec::new();
        while children.len() < 100 {
            match sys::can_fork() {
                Some(pid) => children.push(pid),
                None => break,
            }
        }
        for pid in &children {
            sys::send_signal(*pid, sys::SIGKILL);
            sys::reap(*pid, true);
        }
        children.len() as i32
    });
    sys::reap(parent, true).unwrap_or(-1)
}

fn pids_max() {
    let mut warden = Warden::start("spin", "pids 8");
    warden.until_running();
    let got = forks(&warden.group());
    // The limit is 9 for the sake of the compiling child; runner and forking process are two of them.
    tell(
        "pids.max",
        "8 processes and one that compiles: 7 forks beside the runner",
        &format!("{got} forks"),
        got == 7,
    );
    let control = forks(PERSON);
    tell("pids.max control", "outside the group", &format!("{control} forks"), control == 100);
}

/// Bytes a second that direct writes to the disk reach in `group`.
fn write_rate(group: &str, span: Duration) -> i32 {
    let writer = sys::in_child(|| {
        if !join(group) {
            return 255;
        }
        let Ok(mut disk) = OpenOptions::new().write(true).custom_flags(O_DIRECT).open("/dev/vda") else {
            return 254;
        };
        let block = sys::aligned(128 * 1024);
        let (start, mut written) = (Instant::now(), 0usize);
        while start.elapsed() < span && written < 60 * MIB {
            if disk.write_all(block).is_err() {
                return 253;
            }
            written += block.len();
        }
        // In tenths of a MiB a second, as an exit code.
        (written as f64 / MIB as f64 / start.elapsed().as_secs_f64() * 10.0).min(250.0) as i32
    });
    sys::reap(writer, true).unwrap_or(-1)
}

fn io_max() {
    let mut warden = Warden::start("spin", "io-bytes-per-second 2097152\ncpu-percent 20");
    warden.until_running();
    let limits = fs::read_to_string(format!("{}/io.max", warden.group())).unwrap_or_default();
    let got = write_rate(&warden.group(), seconds(4));
    let measured = format!("{:.1} MiB/s; io.max {}", f64::from(got) / 10.0, limits.trim());
    tell("io.max", "2 MiB/s", &measured, (5..=24).contains(&got));
    drop(warden);
    let control = write_rate(PERSON, seconds(2));
    tell(
        "io.max control",
        "outside the group",
        &format!("{:.1} MiB/s or more", f64::from(control) / 10.0),
        (30..=250).contains(&control),
    );
}

fn freeze() {
    let mut warden = Warden::start("spin", "cpu-percent 90\npids 4");
    warden.until_running();
    let group = warden.group();
    // A second process there: freezing is of the group, not of one process.
    let second = sys::in_child(|| {
        join(&group);
        loop {
            std::hint::spin_loop();
        }
    });
    sleep(Duration::from_millis(300));
    let (mut spans, mut moved) = (Vec::new(), 0);
    for _ in 0..20 {
        let start = Instant::now();
        warden.send(FREEZE, &[]);
        warden.until(&[FROZEN]);
        spans.push(start.elapsed().as_secs_f64() * 1000.0);
        let before = warden.processor_us();
        sleep(Duration::from_millis(50));
        moved += warden.processor_us() - before;
        warden.send(THAW, &[]);
        warden.until(&[THAWED]);
        sleep(Duration::from_millis(20));
    }
    spans.sort_by(f64::total_cmp);
    let before = warden.processor_us();
    sleep(Duration::from_millis(500));
    let goes_on = warden.processor_us() > before;
    let measured = format!(
        "median {:.1} ms, worst {:.1} ms, ran {moved} us while frozen, goes on: {goes_on}",
        spans[10], spans[19]
    );
    tell(
        "cgroup.freeze",
        // A machine without KVM on a busy host takes its time.
        "all of the group within 50 ms (here 500), then nothing runs",
        &measured,
        spans[10] < 500.0 && moved < 2_000 && goes_on,
    );
    warden.send(KILL, &[]);
    warden.until(&[EXIT]);
    sys::send_signal(second, sys::SIGKILL);
    sys::reap(second, true);
}

fn kill() {
    let mut warden = Warden::start("spin", "pids 4");
    warden.until_running();
    let group = warden.group();
    let second = sys::in_child(|| {
        join(&group);
        loop {
            std::hint::spin_loop();
        }
    });
    sleep(Duration::from_millis(300));
    let start = Instant::now();
    warden.send(KILL, &[]);
    let (kind, _) = warden.until(&[EXIT]);
    let span = start.elapsed().as_secs_f64() * 1000.0;
    let other = sys::reap(second, true);
    let _ = warden.child.wait();
    let left = fs::exists(&group).unwrap_or(true);
    let measured =
        format!("EXIT {} after {span:.1} ms, other process ended {other:?}, group left: {left}", kind == EXIT);
    tell(
        "cgroup.kill",
        "every process of the group ends, group removed",
        &measured,
        kind == EXIT && other == Some(-sys::SIGKILL) && !left,
    );
}
