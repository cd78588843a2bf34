//! The compiling child is held like the runner: its tier is looked at, its processor time shared out, and it freezes.

use askee_native_tests::*;
use std::fs;
use std::process::Command;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The work is of the lowest priority: on a busy machine it waits.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a stop itself may cost of the kernel's time, in µs.
const LAST_STEPS: u64 = 5_000;
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(compile_bomb);

/// Has LOAD of a module that takes seconds to compile, and what `first` is before it.
fn compiling(policy: &str, first: &[u8]) -> Warden {
    let mut warden = Warden::start(&format!("cgroup none\ncompile-cpu-seconds 600\n{policy}"));
    warden.until(REPORT);
    warden.until_hello();
    warden.send(first);
    warden.send_task(&task(&BOMB, &[], None, &Limits::default()));
    warden
}

/// States of its children that were started with `compile`, as in /proc: T is stopped.
fn compilers_of(warden: &Warden) -> Vec<char> {
    let pid = warden.child.id();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let read = |child: &str, name: &str| fs::read_to_string(format!("/proc/{child}/{name}")).unwrap_or_default();
    let state = |child: &str| read(child, "stat").rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    let children = list.split_ascii_whitespace();
    children.filter(|child| read(child, "cmdline").ends_with("\0compile\0")).filter_map(state).collect()
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Asserts that there is one, stopped, and that nothing runs for half a second.
fn assert_at_rest(warden: &mut Warden) {
    // On a busy machine the signal may wait for its turn; no instruction comes before it.
    wait_for("it is stopped", || compilers_of(warden) == ['T']);
    sleep(Duration::from_millis(20));
    let before = warden.used();
    sleep(Duration::from_millis(500));
    let ran = warden.used() - before;
    assert!(ran < LAST_STEPS, "frozen, and ran for {ran} µs");
}

/// In a user namespace that allows two below it: the warden is in one, and the runner has the other.
#[test]
fn sbx_3_a_compiler_that_is_not_contained_compiles_nothing() {
    let mut shell = Command::new("/usr/bin/unshare");
    let allow = "echo \"$1\" > /proc/sys/user/max_user_namespaces &&
        exec unshare --user --map-user=1000 --map-group=1000 \"$0\"";
    shell.args(["--user", "--map-root-user", "/bin/sh", "-c", allow]).arg(program("askee-warden"));
    let outcome = |namespaces: &str, policy: &str| {
        let mut command = Command::new(shell.get_program());
        command.args(shell.get_args()).arg(namespaces);
        let mut warden = Warden::of(command, &format!("cgroup none\n{policy}"));
        let report = String::from_utf8(warden.until(REPORT)).unwrap();
        warden.send_task(&task(&run(""), &[], None, &Limits::default()));
        warden.send_task(&frame(GO, &[]));
        let (kind, payload) = warden.last_word().unwrap_or_default();
        (report, kind, String::from_utf8_lossy(&payload).into_owned())
    };
    let (report, kind, told) = outcome("2", "");
    assert!(report.starts_with(r#"{"tier":"contained""#), "the runner is: {report}");
    let is_told = told.contains("the compiler is not contained") && told.contains("user-namespace");
    assert!(kind == FAULT && is_told, "{kind}: {told}");
    // The controls: who has enough of them, and who asks for less.
    for (namespaces, policy) in [("3", ""), ("2", "tier process")] {
        let (_, kind, told) = outcome(namespaces, policy);
        assert_eq!(kind, RESULT, "{namespaces} {policy}: {told}");
    }
}

#[test]
fn gov_7_a_compiler_keeps_to_the_share_of_a_processor() {
    let mut warden = compiling("cpu-percent 10", &[]);
    wait_for("the compiler begins", || compilers_of(&warden).len() == 1);
    let (begun, before) = (Instant::now(), warden.used());
    wait_for("the compiler runs for a while", || warden.used() - before > 150_000);
    // Some turns, also where the machine leaves it little.
    sleep(Duration::from_secs(1));
    let usage = warden.usage();
    let share = (usage[0] - before) as f64 / begun.elapsed().as_micros() as f64;
    assert_eq!(compilers_of(&warden).len(), 1, "it compiles still");
    assert!(share < 0.2, "{:.1} % of a processor", 100.0 * share);
    assert!(usage[3] > 0, "never stopped for it");
}

#[test]
fn sbx_5_a_compiler_freezes_and_goes_on() {
    let mut warden = compiling("", &[]);
    wait_for("the compiler runs", || compilers_of(&warden).len() == 1);
    let before = warden.used();
    wait_for("it takes processor time", || warden.used() - before > 30_000);
    warden.send(&frame(FREEZE, &[]));
    warden.until(FROZEN);
    assert_at_rest(&mut warden);
    warden.send(&frame(THAW, &[]));
    warden.until(THAWED);
    let before = warden.used();
    wait_for("it goes on", || warden.used() - before > 30_000);
}

#[test]
fn sbx_5_a_compiler_that_begins_while_all_is_frozen_is_frozen_too() {
    let mut warden = compiling("", &frame(FREEZE, &[]));
    warden.until(FROZEN);
    wait_for("the compiler is there", || {
        warden.used();
        compilers_of(&warden).len() == 1
    });
    assert_at_rest(&mut warden);
    warden.send(&frame(THAW, &[]));
    warden.until(THAWED);
    let before = warden.used();
    wait_for("it goes on", || warden.used() - before > 30_000);
}
