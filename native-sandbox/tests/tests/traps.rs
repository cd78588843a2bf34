//! Traps of wasmtime by the names of docs/determinism.md.

use askee_native_tests::{FAULT, Limits, module, outcome_of, result, run};

fn trap_of(module: &[u8]) -> u8 {
    let limits = Limits { output_bytes: 4, ..Limits::default() };
    result(&outcome_of(module, &[], &limits)).0
}

const TABLE: &str = r#"(type $nothing (func)) (type $number (func (result i32)))
    (func $seven (type $number) (i32.const 7)) (table 4 funcref) (elem (i32.const 0) $seven)"#;

#[test]
fn wsm_1_every_trap_has_its_code() {
    let indirect = |at: u32| {
        module(&format!(r#"{TABLE} (func (export "run") (call_indirect (type $nothing) (i32.const {at})))"#))
    };
    let zero = "(i32.load (i32.const 0))";
    let cases = [
        (0, run("")),
        (1, run("unreachable")),
        (2, run("(drop (i32.load (i32.const 65533)))")),
        (2, run("(drop (i64.load offset=4294967295 (i32.const -1)))")),
        (2, run("(memory.fill (i32.const 65535) (i32.const 1) (i32.const 2))")),
        (2, run("(call $output_write (i32.const 16) (i32.const -1))")),
        (2, module(r#"(data (i32.const 65535) "ab") (func (export "run"))"#)),
        (3, indirect(4)),
        (4, indirect(1)),
        (4, indirect(0)),
        (5, run(&format!("(drop (i32.div_s (i32.const 1) {zero}))"))),
        (5, run(&format!("(drop (i64.rem_u (i64.const 1) (i64.extend_i32_u {zero})))"))),
        (6, run(&format!("(drop (i32.div_s (i32.const 0x80000000) (i32.sub {zero} (i32.const 1))))"))),
        (
            6,
            run(
                "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.sub (i64.load (i32.const 0)) (i64.const 1))))",
            ),
        ),
        (7, run("(drop (i32.trunc_f32_s (f32.const nan)))")),
        (7, run("(drop (i32.trunc_f64_u (f64.const -1)))")),
        (7, run("(drop (i64.trunc_f64_u (f64.const 1e300)))")),
        (7, run("(drop (i64.trunc_f32_s (f32.const inf)))")),
        (8, run("(global.set $stack (i32.const -1)) unreachable")),
        (9, run("(global.set $fuel (i64.const -1)) (drop (i32.load (i32.const -1)))")),
        (9, run("(global.set $fuel (i64.const -1))")),
        (10, run("(call $output_write (i32.const 0) (i32.const 5))")),
    ];
    for (index, (code, module)) in cases.iter().enumerate() {
        assert_eq!(trap_of(module), *code, "case {index}");
    }
}

#[test]
fn wsm_1_a_shortage_of_this_machine_and_its_stack_are_faults() {
    let shortage = run("(global.set $stack (i32.const 0x80000000)) unreachable");
    let (kind, payload) = outcome_of(&shortage, &[], &Limits::default());
    assert_eq!((kind, payload[0]), (FAULT, 1));
    let deep = module(r#"(func $deep (call $deep) (call $deep)) (func (export "run") (call $deep))"#);
    let (kind, payload) = outcome_of(&deep, &[], &Limits::default());
    assert_eq!((kind, payload[0]), (FAULT, 0));
}

#[test]
fn wsm_2_what_does_not_validate_or_asks_for_too_much_is_a_fault_of_the_module() {
    let limits = Limits { memory_bytes: 65_536, ..Limits::default() };
    for module in [b"\0asm\x01\0\0\0".to_vec(), b"nonsense".to_vec(), run("")] {
        let (kind, payload) = outcome_of(&module, &[], &limits);
        assert_eq!((kind, payload[0]), (FAULT, 2), "{}", String::from_utf8_lossy(&payload));
    }
}

#[test]
fn wsm_1_input_comes_in_and_output_goes_out() {
    let echo = run("(drop (call $input_read (i32.const 0) (i32.const 1) (call $input_size)))
        (call $output_write (i32.const 0) (call $input_size))");
    let outcome = outcome_of(&echo, &[9, 8, 7], &Limits::default());
    assert_eq!(result(&outcome), (0, 0, vec![8, 7, 0]));
}
