//! Freeze, thaw, kill, limits, and the end of everything when the parent is gone.

use askee_native_tests::*;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

fn spinning(policy: &str) -> Warden {
    let mut warden = Warden::start(policy);
    warden.send_task(&task(&run("(loop $again (br $again))"), &[], None, &Limits::default()));
    warden.send_task(&frame(GO, &[]));
    while warden.used() < 20_000 {
        sleep(Duration::from_millis(5));
    }
    warden
}

fn children_of(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Runs, or could: not gone, not waiting to be collected, and no SIGKILL before it. With that pending Linux lets it carry
/// out no instruction any more; on a busy machine an idle process waits for its turn to end.
fn lives(pid: u32) -> bool {
    const KILLED: u64 = 1 << 8;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let pending = |name| field(name).and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    let is_ending = field("State:").is_none_or(|state| state.starts_with(['Z', 'X']));
    !is_ending && (pending("SigPnd:") | pending("ShdPnd:")) & KILLED == 0
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    spans[spans.len() / 2]
}

#[test]
fn sbx_1_every_layer_that_this_machine_can_have_is_in_force_before_a_task() {
    let mut warden = Warden::start("cpu-percent 50");
    let report = String::from_utf8(warden.until(REPORT)).unwrap();
    assert!(report.starts_with(r#"{"tier":"contained""#), "{report}");
    for layer in [
        "user-namespace",
        "pid-namespace",
        "mount-namespace",
        "network-namespace",
        "ipc-namespace",
        "uts-namespace",
        "cgroup-namespace",
        "empty-root",
        "no-capabilities",
        "no-new-privileges",
        "parent-death",
        "data-limit",
        "process-limit",
        "stack-limit",
        "rlimits",
        "seccomp",
        "idle-priority",
        "no-nested-namespaces",
        "own-keyring",
        "memory-watch",
    ] {
        assert!(report.contains(&format!(r#"{{"name":"{layer}","state":"enforced""#)), "{layer}: {report}");
    }
}

#[test]
fn sbx_3_a_policy_that_is_not_understood_or_cannot_be_kept_runs_nothing() {
    for policy in ["colour blue", "runner /nonexistent", "cpu-percent 0"] {
        let mut warden = Warden::start(policy);
        let (kind, payload) = warden.outcome();
        assert_eq!(kind, REFUSED, "{policy}");
        assert!(!payload.is_empty());
    }
}

#[test]
fn sbx_5_a_frozen_task_uses_no_processor_time_and_freezing_takes_little() {
    let mut warden = spinning("");
    let mut spans = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        warden.send(&frame(FREEZE, &[]));
        warden.until(FROZEN);
        spans.push(start.elapsed());
        let before = warden.used();
        sleep(Duration::from_millis(5));
        // The stop itself may still take a moment of the kernel's time.
        assert!(warden.used() - before < 500);
        warden.send(&frame(THAW, &[]));
        warden.until(THAWED);
        sleep(Duration::from_millis(2));
    }
    let median = median(spans);
    println!("freeze acknowledged after {median:?} (median of 50)");
    assert!(median < Duration::from_millis(10), "{median:?}");
}

#[test]
fn sbx_5_frozen_and_thawed_a_thousand_times_gives_the_same_result() {
    let count = "(local $n i64) (loop $again (local.set $n (i64.add (local.get $n) (i64.const 1)))
        (br_if $again (i64.lt_u (local.get $n) (i64.const 1500000000))))
        (i64.store (i32.const 0) (local.get $n)) (call $output_write (i32.const 0) (i32.const 8))";
    let mut warden = Warden::start("");
    warden.send_task(&task(&run(count), &[], None, &Limits::default()));
    warden.send_task(&frame(GO, &[]));
    for _ in 0..1000 {
        warden.send(&frame(FREEZE, &[]));
        warden.send(&frame(THAW, &[]));
    }
    let outcome = warden.outcome();
    assert_eq!(result(&outcome).2, 1_500_000_000u64.to_le_bytes());
}

#[test]
fn sbx_5_killing_ends_the_task_and_the_warden_with_it() {
    let mut warden = spinning("");
    // The runner, and the reaper that outlives a warden.
    let children = children_of(warden.child.id());
    assert!(!children.is_empty());
    warden.send(&frame(KILL, &[]));
    let exit = warden.until_exit();
    assert_eq!((exit[0], exit[5]), (1, 1), "by a signal, because it was asked for");
    warden.child.wait().unwrap();
    assert!(children.iter().all(|child| !lives(*child)));
}

/// Escape attempt 38.
#[test]
fn sbx_5_killing_the_warden_or_closing_its_input_leaves_nothing() {
    for how in ["kill", "close"] {
        let mut spans = Vec::new();
        for _ in 0..10 {
            let mut warden = spinning("");
            let children = children_of(warden.child.id());
            let start = Instant::now();
            if how == "kill" {
                warden.child.kill().unwrap()
            } else {
                drop(warden.child.stdin.take())
            }
            while children.iter().any(|child| lives(*child)) {
                assert!(start.elapsed() < Duration::from_secs(10), "{how}: {children:?} still there");
                sleep(Duration::from_micros(200));
            }
            spans.push(start.elapsed());
        }
        let median = median(spans);
        println!("{how}: gone after {median:?} (median of 10)");
        assert!(median < Duration::from_millis(100), "{how}: {median:?}");
    }
}

#[test]
fn gov_7_the_duty_cycle_never_gives_more_than_its_share() {
    for percent in [10u64, 30] {
        let mut warden = spinning(&format!("cgroup none\ncpu-percent {percent}"));
        let (start, before) = (Instant::now(), warden.used());
        sleep(Duration::from_secs(2));
        let used = (warden.used() - before) as f64 / start.elapsed().as_micros() as f64 * 100.0;
        println!("asked {percent} %, got {used:.1} %");
        // On a busy machine an idle process gets less; more it never may.
        assert!(used < percent as f64 * 1.1 + 1.0, "asked {percent} %, got {used:.1} %");
    }
}

#[test]
fn gov_7_a_runner_over_its_memory_is_ended() {
    let mut warden = Warden::start("memory-bytes 33554432");
    let grow = wat_module_of_64_mib();
    let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    warden.send_task(&task(&grow, &[], None, &limits));
    warden.send_task(&frame(GO, &[]));
    let (kind, payload) = warden.outcome();
    let is_fault = kind == FAULT && payload[0] == 1;
    let is_killed = kind == EXIT && payload[5] == 3;
    assert!(is_fault || is_killed, "{kind}: {payload:?}");
}

fn wat_module_of_64_mib() -> Vec<u8> {
    let text = r#"(module (memory (export "memory") 1024 1024)
        (global (export "askee_fuel") (mut i64) (i64.const 0))
        (global (export "askee_stack") (mut i32) (i32.const 1000))
        (func (export "run") (memory.fill (i32.const 0) (i32.const 1) (i32.const 67108864))))"#;
    wat::parse_str(text).expect("a module")
}
