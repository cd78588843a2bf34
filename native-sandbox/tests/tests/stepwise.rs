//! Checkpoints, here and from the other engine; compiled modules that are kept.

use askee_native_tests::*;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// So many that a task is in mid work when it is interrupted, on any machine.
const STEPS: u8 = 200;

/// Counts down from its input byte; each step burns fuel, takes some milliseconds, and leaves marks in globals, memory
/// and output. The functions are those that the determinism pass adds.
fn countdown() -> Vec<u8> {
    module(
        r#"(global $left (mut i64) (i64.const -1)) (global $root (mut f64) (f64.const 1))
        (global (export "askee_state_words") i32 (i32.const 2))
        (func (export "askee_state_get") (param i32) (result i64)
            (if (i32.eqz (local.get 0)) (then (return (global.get $left)))) (i64.reinterpret_f64 (global.get $root)))
        (func (export "askee_state_set") (param i32 i64)
            (if (i32.eqz (local.get 0)) (then (global.set $left (local.get 1)))
                (else (global.set $root (f64.reinterpret_i64 (local.get 1))))))
        (func (export "step") (result i32) (local $n i32)
            (global.set $fuel (i64.sub (global.get $fuel) (i64.const 3)))
            (if (i64.eq (global.get $left) (i64.const -1)) (then
                (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 1)))
                (drop (memory.grow (i32.const 1)))
                (global.set $left (i64.load8_u (i32.const 0)))))
            (global.set $root (f64.sqrt (f64.add (global.get $root) (f64.convert_i64_u (global.get $left)))))
            (f64.store (i32.add (i32.const 70000) (i32.wrap_i64 (i64.shl (global.get $left) (i64.const 3))))
                (global.get $root))
            (call $output_write (i32.add (i32.const 70000)
                (i32.wrap_i64 (i64.shl (global.get $left) (i64.const 3)))) (i32.const 8))
            (loop $wait (br_if $wait (i32.lt_u
                (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 8000000))))
            (global.set $left (i64.sub (global.get $left) (i64.const 1)))
            (i64.gt_s (global.get $left) (i64.const 0)))"#,
    )
}

fn limits() -> Limits {
    Limits { fuel: 1000, state_words: 2, ..Limits::default() }
}

/// Runs natively, from a state or the start, and asks for a checkpoint after a while where told to.
fn native(state: Option<&[u8]>, interrupt: Option<Duration>) -> (u8, Vec<u8>) {
    let mut warden = Warden::start("");
    warden.send_task(&task(&countdown(), &[STEPS], state, &limits()));
    warden.send_task(&frame(GO, &[]));
    if let Some(after) = interrupt {
        sleep(after);
        warden.send_task(&frame(SUSPEND, &[]));
    }
    warden.outcome()
}

/// The same in V8: the portable runner; `None` where there is no Node.
fn portable(state: Option<&[u8]>, interrupt: Option<Duration>) -> Option<(u8, Vec<u8>)> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let node = repository.join("node_modules/.bin/node");
    if !node.exists() {
        return None;
    }
    let mut child = Command::new(node)
        .arg(repository.join("packages/sandbox/child/main.cjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&[task(&countdown(), &[STEPS], state, &limits()), frame(GO, &[])].concat()).unwrap();
    if let Some(after) = interrupt {
        sleep(after);
        input.write_all(&frame(SUSPEND, &[])).unwrap();
    }
    let mut output = child.stdout.take().unwrap();
    loop {
        let mut header = [0; 8];
        output.read_exact(&mut header).unwrap();
        let mut payload = vec![0; u32::from_le_bytes(header[4..].try_into().unwrap()) as usize];
        output.read_exact(&mut payload).unwrap();
        if matches!(header[3], RESULT | CHECKPOINT | FAULT) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some((header[3], payload));
        }
    }
}

#[test]
fn wsm_5_a_task_interrupted_and_resumed_ends_as_the_whole_run_also_on_the_other_engine() {
    let whole = result(&native(None, None));
    assert_eq!((whole.0, whole.1, whole.2.len()), (0, 3 * u64::from(STEPS), 8 * usize::from(STEPS)));
    let (kind, state) = native(None, Some(Duration::from_millis(60)));
    assert_eq!(kind, CHECKPOINT, "interrupted in mid work");
    let (kind, later) = native(Some(&state), Some(Duration::from_millis(60)));
    assert_eq!(kind, CHECKPOINT);
    assert_eq!(result(&native(Some(&later), None)), whole);

    let Some(there) = portable(Some(&state), None) else {
        not_run("no Node for the portable runner: npm ci");
        return;
    };
    assert_eq!(result(&there), whole, "from wasmtime to V8");
    let (kind, state) = portable(None, Some(Duration::from_millis(400))).unwrap();
    assert_eq!(kind, CHECKPOINT);
    assert_eq!(result(&native(Some(&state), None)), whole, "from V8 to wasmtime");
}

#[test]
fn wsm_5_a_state_that_does_not_fit_is_a_fault() {
    let (_, state) = native(None, Some(Duration::from_millis(60)));
    let mut wrong_words = state.clone();
    wrong_words[8] = 3;
    let mut too_much_fuel = state.clone();
    too_much_fuel[..8].copy_from_slice(&1001u64.to_le_bytes());
    for bad in [&state[..state.len() - 1], &state[..20], &wrong_words, &too_much_fuel, &[]] {
        let (kind, payload) = native(Some(bad), None);
        assert_eq!((kind, payload[0]), (FAULT, 3));
    }
}

#[test]
fn sbx_4_a_forged_compiled_module_is_not_run_but_compiled_again() {
    let directory = std::env::temp_dir().join(format!("askee-native-cache-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let policy = format!("cache-directory {}\ncache-key {}", directory.display(), "5a".repeat(32));
    let run = || {
        let mut warden = Warden::start(&policy);
        warden.send_task(&task(&run("unreachable"), &[], None, &Limits::default()));
        warden.send_task(&frame(GO, &[]));
        result(&warden.outcome()).0
    };
    assert_eq!(run(), 1);
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&file).unwrap();
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(run(), 1);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "found, not compiled again");
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    fs::write(&file, &forged).unwrap();
    assert_eq!(run(), 1);
    assert_eq!(fs::read(&file).unwrap(), good, "replaced by what was compiled again");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn wsm_1_says_which_engine_it_is() {
    let manifest = include_str!("../../runner/Cargo.toml");
    let source = include_str!("../../runner/src/engine.rs");
    let pinned = manifest.lines().find(|line| line.starts_with("wasmtime")).unwrap();
    let version = pinned.split('"').nth(1).unwrap().trim_start_matches('=');
    assert!(source.contains(&format!("WASMTIME: &str = \"{version}\"")), "{version}");
}
