//! An assembler for the few classic BPF instructions a filter needs, and an interpreter to test it with.

/// `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

const LOAD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;

// Offsets in `struct seccomp_data`, little endian.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// Numbers from here on are the x32 calls of x86-64.
const X32: u32 = 0x4000_0000;

/// A condition on the low half of an argument. The kernel reads descriptors, protections and flags as 32 bits.
#[derive(Clone, Copy)]
pub enum Check {
    OneOf(u32, &'static [u32]),
    /// None of these bits.
    Without(u32, u32),
    /// All of these bits (one bit in practice).
    With(u32, u32),
}

#[derive(Clone, Copy)]
pub enum Rule {
    Allow(u32),
    AllowIf(u32, &'static [Check]),
    /// Answered with this error number and not carried out.
    Refuse(u32, u32),
}

/// Puts a program together; a call that no rule names kills.
pub fn assemble(architecture: u32, rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        load(ARCHITECTURE),
        jump(JUMP_EQUAL, architecture, 1, 0),
        give(KILL_PROCESS),
        load(NUMBER),
        jump(JUMP_AT_LEAST, X32, 0, 1),
        give(KILL_PROCESS),
    ];
    for rule in rules {
        let (number, block) = match *rule {
            Rule::Allow(number) => (number, vec![give(ALLOW)]),
            Rule::Refuse(number, error) => (number, vec![give(ERRNO | error)]),
            Rule::AllowIf(number, checks) => (number, checked(checks)),
        };
        let skip = u8::try_from(block.len()).expect("a rule of at most 255 instructions");
        program.push(jump(JUMP_EQUAL, number, 0, skip));
        program.extend(block);
    }
    program.push(give(KILL_PROCESS));
    program
}

/// Every check must hold; each that does not ends in its own kill.
fn checked(checks: &[Check]) -> Vec<Instruction> {
    let mut block = Vec::new();
    for check in checks {
        match *check {
            Check::OneOf(argument, values) => {
                block.push(load(ARGUMENTS + 8 * argument));
                for (index, value) in values.iter().enumerate() {
                    let past_kill = u8::try_from(values.len() - index).expect("few values");
                    block.push(jump(JUMP_EQUAL, *value, past_kill, 0));
                }
            }
            Check::Without(argument, bits) => {
                block.push(load(ARGUMENTS + 8 * argument));
                block.push(jump(JUMP_SET, bits, 0, 1));
            }
            Check::With(argument, bits) => {
                block.push(load(ARGUMENTS + 8 * argument));
                block.push(jump(JUMP_SET, bits, 1, 0));
            }
        }
        block.push(give(KILL_PROCESS));
    }
    block.push(give(ALLOW));
    block
}

const fn load(k: u32) -> Instruction {
    Instruction { code: LOAD, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

const fn give(k: u32) -> Instruction {
    Instruction { code: RETURN, jt: 0, jf: 0, k }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Kill,
    Errno(u32),
}

/// A call as the filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub architecture: u32,
    pub number: u32,
    pub arguments: [u64; 6],
}

/// What the kernel would answer: for tests.
///
/// # Panics
/// On an instruction the assembler never writes.
pub fn evaluate(program: &[Instruction], call: &Outcome) -> Verdict {
    let mut accumulator = 0u32;
    let mut at = 0usize;
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let taken = match code {
            LOAD => {
                accumulator = match k {
                    NUMBER => call.number,
                    ARCHITECTURE => call.architecture,
                    _ => call.arguments[((k - ARGUMENTS) / 8) as usize] as u32,
                };
                continue;
            }
            RETURN => {
                return match k & 0xffff_0000 {
                    ALLOW => Verdict::Allow,
                    ERRNO => Verdict::Errno(k & 0xffff),
                    _ => Verdict::Kill,
                };
            }
            JUMP_EQUAL => accumulator == k,
            JUMP_AT_LEAST => accumulator >= k,
            JUMP_SET => accumulator & k != 0,
            other => panic!("expected an instruction of the assembler, received {other:#x}"),
        };
        at += usize::from(if taken { jt } else { jf });
    }
}
