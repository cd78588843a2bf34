//! How much the warden itself holds, whatever runner and compiler say to it.

use askee_native_tests::*;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;
const COMPILE_BYTES: u32 = 64 * 1024 * 1024;
/// As docs/containment.md has it.
const BOUND: u64 = (64 + 130) * MIB + COMPILE_BYTES as u64;
/// The work is of the lowest priority: on a busy machine it waits.
const PATIENCE: Duration = Duration::from_secs(120);

/// With `hungry.rs` of the escape suite for its runner, and a compiler that makes so many bytes of code.
fn hungry(code_bytes: u32) -> Option<Warden> {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/escape/release/askee-escape");
    if !program.exists() {
        not_run("not built: node scripts/build-native.ts --escape");
        return None;
    }
    let policy = format!("runner {}\ncompile-memory-bytes {COMPILE_BYTES}", program.display());
    let mut warden = Warden::start(&policy);
    warden.until(REPORT);
    warden.send_task(&task(&code_bytes.to_le_bytes(), &[], None, &Limits::default()));
    Some(warden)
}

/// A row of /proc/PID/status, in bytes.
fn held(warden: &Warden, row: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", warden.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn sbx_1_the_warden_holds_what_a_compiler_made_and_a_runner_says_within_its_bound() {
    let Some(mut warden) = hungry(COMPILE_BYTES) else { return };
    let limits = fs::read_to_string(format!("/proc/{}/limits", warden.child.id())).unwrap();
    let row = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert_eq!(row.split_ascii_whitespace().nth(3), Some(BOUND.to_string().as_str()), "{row}");

    // Nobody reads what the runner says, and it does not read the code: the warden has to keep both.
    let begun = Instant::now();
    while held(&warden, "VmRSS") < u64::from(COMPILE_BYTES) {
        assert!(begun.elapsed() < PATIENCE, "the code never came");
        sleep(Duration::from_millis(5));
    }
    for _ in 0..50 {
        assert!(held(&warden, "VmData") <= BOUND);
        sleep(Duration::from_millis(10));
    }
    let most = held(&warden, "VmHWM");
    assert!(most < u64::from(COMPILE_BYTES) + 32 * MIB, "{most} bytes: the code was held more than once");
    // It still answers.
    warden.used();
}

#[test]
fn sbx_1_the_warden_takes_no_more_code_than_a_compiler_may_hold() {
    let Some(mut warden) = hungry(COMPILE_BYTES + 1) else { return };
    let (kind, payload) = warden.outcome();
    let told = String::from_utf8_lossy(&payload);
    assert_eq!((kind, payload[0]), (FAULT, 0), "{told}");
    assert!(told.contains("compiler"), "{told}");
}
