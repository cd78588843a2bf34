//! Limits of memory and processor time, also where the warden inherited limits of its own.

use askee_native_tests::*;

const LIMITED: [&str; 4] = ["data-limit", "process-limit", "stack-limit", "rlimits"];

/// What is said of a module that cannot be compiled within the limits.
fn fault_of_compiling(mut warden: Warden) -> String {
    warden.send_task(&task(&compile_bomb(), &[], None, &Limits::default()));
    warden.send_task(&frame(GO, &[]));
    let (kind, payload) = warden.outcome();
    let text = String::from_utf8_lossy(&payload).into_owned();
    assert_eq!((kind, payload[0]), (FAULT, 2), "{text}");
    text
}

fn report_of(warden: &mut Warden) -> String {
    String::from_utf8(warden.until(REPORT)).unwrap()
}

#[test]
fn gov_7_a_compile_bomb_ends_at_its_processor_time() {
    let told = fault_of_compiling(Warden::start("compile-cpu-seconds 1"));
    assert!(told.contains("signal 9"), "{told}");
}

#[test]
fn gov_7_a_compile_bomb_ends_at_its_memory() {
    fault_of_compiling(Warden::start("compile-cpu-seconds 600\ncompile-memory-bytes 67108864"));
}

#[test]
fn sbx_3_an_inherited_limit_costs_none_of_ours_and_is_told() {
    // Below what the policy allows: setting more is refused, and used to leave the processor time without limit.
    let start = |policy| Warden::start_limited("-d 400000", policy);
    let report = report_of(&mut start("compile-cpu-seconds 1"));
    assert!(report.starts_with(r#"{"tier":"contained""#), "{report}");
    for layer in LIMITED {
        assert!(report.contains(&format!(r#"{{"name":"{layer}","state":"enforced""#)), "{layer}: {report}");
    }
    assert!(report.contains(r#""detail":"409600000 bytes, inherited; 536870912 asked for""#), "{report}");
    let told = fault_of_compiling(start("compile-cpu-seconds 1"));
    assert!(told.contains("signal 9"), "{told}");
}

#[test]
fn sbx_3_a_task_has_the_same_result_below_an_inherited_limit() {
    let echo = run("(drop (call $input_read (i32.const 0) (i32.const 0) (call $input_size)))
        (call $output_write (i32.const 0) (call $input_size))");
    let mut warden = Warden::start_limited("-d 400000", "");
    warden.send_task(&task(&echo, &[5, 6], None, &Limits::default()));
    warden.send_task(&frame(GO, &[]));
    assert_eq!(result(&warden.outcome()), (0, 0, vec![5, 6]));
}

#[test]
fn wsm_1_a_stack_smaller_than_elsewhere_is_refused_whatever_the_tier() {
    for policy in ["", "tier process"] {
        let mut warden = Warden::start_limited("-s 8192", policy);
        warden.send(&frame(KILL, &[]));
        let (kind, payload) = warden.outcome();
        let told = String::from_utf8_lossy(&payload);
        assert_eq!(kind, REFUSED, "{told}");
        assert!(told.starts_with("start: ") && told.contains("8388608"), "{told}");
    }
}

/// A runner that cannot open its page of memory ends at once, and layers looked for afterwards seemed missing.
#[test]
fn sbx_3_probing_says_the_same_every_time_and_as_a_report() {
    let report = report_of(&mut Warden::start("cpu-percent 50"));
    let tier = |text: &str| text.split(',').next().unwrap_or_default().to_owned();
    for _ in 0..10 {
        let probe = std::process::Command::new(program("askee-warden")).arg("--probe").output().unwrap();
        assert_eq!(tier(&String::from_utf8_lossy(&probe.stdout)), tier(&report));
    }
}
