//! The native attempts of the escape suite, on Linux on x86-64, where `build-native.ts --escape` was run.

use askee_native_tests::not_run;
use std::path::PathBuf;
use std::process::Command;

fn names() -> Vec<String> {
    let source = include_str!("../../escape/src/attempts.rs");
    let names = source.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    names.map(str::to_owned).collect()
}

/// Lines of JSON, one an attempt; `None`, after saying so, where they cannot be tried.
fn suite(flags: &[&str]) -> Option<Vec<String>> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        not_run("the attempts are written for Linux on x86-64");
        return None;
    }
    let warden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/escape/release/askee-warden");
    if !warden.exists() {
        not_run("not built: node scripts/build-native.ts --escape");
        return None;
    }
    let output = Command::new(warden).arg("--escape-test").args(names()).args(flags).output().unwrap();
    let lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), names().len());
    Some(lines)
}

fn escaped(lines: &[String]) -> Vec<&str> {
    lines.iter().filter(|line| line.contains(r#""escaped":true"#)).map(String::as_str).collect()
}

#[test]
fn sbx_4_no_native_attempt_gets_out_and_none_does_without_seccomp() {
    for flags in [&[][..], &["--no-seccomp"]] {
        let Some(lines) = suite(flags) else { return };
        assert!(escaped(&lines).is_empty(), "{flags:?}: {:#?}", escaped(&lines));
    }
}

/// Whoever takes a runner over while it loads need not seal it, and may claim what they like: then this is what holds.
#[test]
fn sbx_4_a_runner_that_never_seals_itself_makes_code_and_reads_the_clock_and_gets_no_further() {
    let Some(lines) = suite(&["--unsealed"]) else { return };
    let escaped = escaped(&lines);
    let does = ["29-map-exec", "29-make-exec", "30-rdtsc"];
    assert_eq!(escaped.len(), does.len(), "{escaped:#?}");
    assert!(escaped.iter().zip(does).all(|(line, name)| line.contains(name)), "{escaped:#?}");
}

#[test]
fn sbx_4_held_as_v8_native_code_makes_code_and_reads_the_clock_and_gets_no_further() {
    for flags in [&["--v8"][..], &["--v8", "--no-seccomp"]] {
        let Some(lines) = suite(flags) else { return };
        let escaped = escaped(&lines);
        let cannot_do_without = ["29-map-exec", "29-make-exec", "30-rdtsc"];
        assert_eq!(escaped.len(), cannot_do_without.len(), "{flags:?}: {escaped:#?}");
        assert!(escaped.iter().zip(cannot_do_without).all(|(line, name)| line.contains(name)), "{escaped:#?}");
    }
}

#[test]
fn sbx_4_the_control_without_containment_shows_that_attempts_can_succeed() {
    let Some(lines) = suite(&["--no-containment"]) else { return };
    assert!(escaped(&lines).len() >= 25, "{lines:#?}");
}
