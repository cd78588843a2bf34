//! A seal that the kernel could put on and does not is an error, never a seal with less. The kernel is played by a filter that
//! answers for it: what this one has does not matter.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use askee_filter::{Instruction, seal, sysno};
use std::ffi::{c_int, c_ulong};

const PR_SET_SECCOMP: c_int = 22;
const PR_GET_TSC: u32 = 25;
const PR_SET_TSC: u32 = 26;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const PR_SET_MDWE: u32 = 65;
const PR_GET_MDWE: u32 = 66;
const EPERM: u32 = 1;
const EINVAL: u32 = 22;
/// The call is not made, and returns this.
const DONE: u32 = 0;

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

unsafe extern "C" {
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(code: c_int) -> !;
    fn prctl(option: c_int, ...) -> c_int;
}

/// Answers these options of prctl in the kernel's place.
fn answering(answers: &[(u32, u32)]) -> Vec<Instruction> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let instruction = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let option = 16;
    let mut program = vec![
        instruction(LOAD, 0, 0, 0),
        instruction(EQUAL, 1, 0, sysno::PRCTL),
        instruction(RETURN, 0, 0, ALLOW),
        instruction(LOAD, 0, 0, option),
    ];
    for (asked, answer) in answers {
        program.extend([instruction(EQUAL, 0, 1, *asked), instruction(RETURN, 0, 0, ERRNO | answer)]);
    }
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program
}

/// Seals a child below such a filter: 0 done, 1 no clock could not be had, 2 no new code could not, 3 another error.
fn sealed_below(answers: &[(u32, u32)], seal: fn() -> Result<(), String>) -> c_int {
    let instructions = answering(answers);
    let program = Program { length: instructions.len() as u16, instructions: instructions.as_ptr() };
    // SAFETY: the child is a copy with one thread, and ends here.
    let pid = unsafe { fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: numbers; a program that lives through the call.
        let is_on = unsafe {
            prctl(PR_SET_NO_NEW_PRIVS, 1 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) == 0
                && prctl(PR_SET_SECCOMP, 2 as c_ulong, &raw const program, 0 as c_ulong, 0 as c_ulong) == 0
        };
        let code = match seal() {
            _ if !is_on => 4,
            Ok(()) => 0,
            Err(why) if why.starts_with("no clock") => 1,
            Err(why) if why.starts_with("no new code") => 2,
            Err(_) => 3,
        };
        // SAFETY: takes a number.
        unsafe { _exit(code) }
    }
    let mut status = 0;
    // SAFETY: room for the status.
    assert_eq!(unsafe { waitpid(pid, &raw mut status, 0) }, pid);
    if status & 0x7f == 0 { status >> 8 & 0xff } else { -(status & 0x7f) }
}

const HAS_BOTH: [(u32, u32); 2] = [(PR_GET_TSC, DONE), (PR_GET_MDWE, DONE)];

#[test]
fn sbx_3_a_clock_that_could_be_taken_away_and_is_not_is_an_error() {
    let refused = [&HAS_BOTH[..], &[(PR_SET_TSC, EPERM), (PR_SET_MDWE, DONE)]].concat();
    assert_eq!(sealed_below(&refused, seal::without_filter), 1);
    let granted = [&HAS_BOTH[..], &[(PR_SET_TSC, DONE), (PR_SET_MDWE, DONE)]].concat();
    assert_eq!(sealed_below(&granted, seal::without_filter), 0, "the control");
    // The warden says that the layer is missing.
    let unknown = [(PR_GET_TSC, EINVAL), (PR_SET_TSC, EINVAL), (PR_GET_MDWE, DONE), (PR_SET_MDWE, DONE)];
    assert_eq!(sealed_below(&unknown, seal::without_filter), 0, "a kernel without it");
}

#[test]
fn sbx_3_new_code_that_could_be_forbidden_and_is_not_is_an_error() {
    let refused = [&HAS_BOTH[..], &[(PR_SET_TSC, DONE), (PR_SET_MDWE, EPERM)]].concat();
    assert_eq!(sealed_below(&refused, seal::without_filter), 2);
    assert_eq!(sealed_below(&refused, seal::for_compiling), 2);
    let unknown = [(PR_GET_TSC, DONE), (PR_SET_TSC, DONE), (PR_GET_MDWE, EINVAL), (PR_SET_MDWE, EINVAL)];
    assert_eq!(sealed_below(&unknown, seal::without_filter), 0, "a kernel without it, where the filter says so");
}
