//! Which system calls the runner may make: to get ready, and with a task.

use crate::bpf::{Check, Instruction, Rule, assemble};
use crate::sysno::*;

/// `AUDIT_ARCH_*` of this build.
#[cfg(target_arch = "x86_64")]
pub const ARCH: u32 = 0xc000_003e;
/// `AUDIT_ARCH_*` of this build.
#[cfg(target_arch = "aarch64")]
pub const ARCH: u32 = 0xc000_00b7;

const PROT_EXEC: u32 = 4;
/// Grows a mapping: the stack's business.
pub(crate) const PROT_GROWS: u32 = 0x0300_0000;
pub(crate) const MAP_SHARED: u32 = 1;
pub(crate) const MAP_PRIVATE: u32 = 2;
/// Such a mapping counts as stack, which RLIMIT_DATA does not bound.
pub(crate) const MAP_GROWSDOWN: u32 = 0x100;
pub(crate) const MAP_ANONYMOUS: u32 = 0x20;
pub(crate) const NO_DESCRIPTOR: &[u32] = &[u32::MAX];
pub(crate) const ENOENT: u32 = 2;
pub(crate) const ENOMEM: u32 = 12;
pub(crate) const ENOTTY: u32 = 25;

/// Start of the runner's program, its engine, and the mapping of compiled code. No call here reaches a file, a socket or
/// another process: what start-up code tries to open is answered with "no such file".
pub fn loader() -> Vec<Instruction> {
    let mut rules = vec![
        Rule::Allow(READ),
        Rule::Allow(WRITE),
        Rule::Allow(CLOSE),
        Rule::Allow(MMAP),
        Rule::Allow(MPROTECT),
        Rule::Allow(MUNMAP),
        Rule::Allow(MREMAP),
        Rule::Allow(MADVISE),
        Rule::Allow(BRK),
        Rule::Allow(FSTAT),
        Rule::Allow(RT_SIGACTION),
        Rule::Allow(RT_SIGPROCMASK),
        Rule::Allow(RT_SIGRETURN),
        Rule::Allow(SIGALTSTACK),
        Rule::Allow(SCHED_YIELD),
        Rule::Allow(SCHED_GETAFFINITY),
        Rule::Allow(GETPID),
        Rule::Allow(GETTID),
        Rule::Allow(FUTEX),
        Rule::Allow(SET_TID_ADDRESS),
        Rule::Allow(SET_ROBUST_LIST),
        Rule::Allow(RSEQ),
        Rule::Allow(PRLIMIT64),
        Rule::Allow(GETRANDOM),
        Rule::Allow(CLOCK_GETTIME),
        Rule::Allow(PPOLL),
        Rule::Allow(MEMBARRIER),
        Rule::Allow(FCNTL),
        Rule::Allow(PRCTL),
        Rule::Allow(SECCOMP),
        Rule::Allow(EXECVEAT),
        Rule::Allow(EXIT),
        Rule::Allow(EXIT_GROUP),
        Rule::Refuse(OPENAT, ENOENT),
        Rule::Refuse(NEWFSTATAT, ENOENT),
        Rule::Refuse(READLINKAT, ENOENT),
        Rule::Refuse(IOCTL, ENOTTY),
    ];
    rules.extend(loading_only_here());
    assemble(ARCH, &rules)
}

#[cfg(target_arch = "x86_64")]
fn loading_only_here() -> Vec<Rule> {
    vec![
        Rule::Allow(x86::POLL),
        Rule::Allow(x86::ARCH_PRCTL),
        Rule::Refuse(x86::OPEN, ENOENT),
        Rule::Refuse(x86::ACCESS, ENOENT),
        Rule::Refuse(x86::READLINK, ENOENT),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn loading_only_here() -> Vec<Rule> {
    Vec::new()
}

/// With a task: two pipes, memory that is never executable, the return from a trap's signal, the end.
pub fn last() -> Vec<Instruction> {
    assemble(ARCH, &task_rules())
}

/// With a module to compile: as with a task, and the clock, which the compiler reads where it is a system call.
pub fn compiling() -> Vec<Instruction> {
    let mut rules = task_rules();
    rules.push(Rule::Allow(CLOCK_GETTIME));
    assemble(ARCH, &rules)
}

fn task_rules() -> Vec<Rule> {
    vec![
        Rule::AllowIf(READ, &[Check::OneOf(0, &[0])]),
        Rule::AllowIf(WRITE, &[Check::OneOf(0, &[1, 2])]),
        Rule::Allow(RT_SIGRETURN),
        Rule::Allow(EXIT),
        Rule::Allow(EXIT_GROUP),
        Rule::AllowIf(
            MMAP,
            &[
                Check::Without(2, PROT_EXEC | PROT_GROWS),
                Check::With(3, MAP_ANONYMOUS),
                Check::With(3, MAP_PRIVATE),
                Check::Without(3, MAP_SHARED | MAP_GROWSDOWN),
                Check::OneOf(4, NO_DESCRIPTOR),
            ],
        ),
        Rule::AllowIf(MPROTECT, &[Check::Without(2, PROT_EXEC | PROT_GROWS)]),
        Rule::Allow(MUNMAP),
        Rule::Allow(MADVISE),
        Rule::Allow(BRK),
        // The C library's realloc tries this first and copies when it fails.
        Rule::Refuse(MREMAP, ENOMEM),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, Verdict, evaluate};

    fn answer(program: &[Instruction], number: u32, arguments: [u64; 6]) -> Verdict {
        evaluate(program, &Outcome { architecture: ARCH, number, arguments })
    }

    #[test]
    fn sbx_1_last_filter_allows_the_two_pipes_only() {
        let program = last();
        for fd in 0..100u64 {
            let read = answer(&program, READ, [fd, 0, 0, 0, 0, 0]);
            let write = answer(&program, WRITE, [fd, 0, 0, 0, 0, 0]);
            assert_eq!(read == Verdict::Allow, fd == 0, "read {fd}");
            assert_eq!(write == Verdict::Allow, fd == 1 || fd == 2, "write {fd}");
        }
    }

    #[test]
    fn sbx_1_last_filter_never_maps_executable_memory_or_files() {
        let program = last();
        let anonymous = u64::from(MAP_ANONYMOUS | MAP_PRIVATE);
        for prot in 0..16u64 {
            let expected = if prot & 4 == 0 { Verdict::Allow } else { Verdict::Kill };
            assert_eq!(answer(&program, MMAP, [0, 4096, prot, anonymous, u64::MAX, 0]), expected);
            assert_eq!(answer(&program, MPROTECT, [0, 4096, prot, 0, 0, 0]), expected);
        }
        assert_eq!(answer(&program, MMAP, [0, 4096, 1, 2, 0, 0]), Verdict::Kill);
        assert_eq!(answer(&program, MMAP, [0, 4096, 1, anonymous, 3, 0]), Verdict::Kill);
        for flags in [MAP_ANONYMOUS | MAP_SHARED, MAP_ANONYMOUS | MAP_PRIVATE | MAP_GROWSDOWN] {
            let call = [0, 4096, 3, u64::from(flags), u64::MAX, 0];
            assert_eq!(answer(&program, MMAP, call), Verdict::Kill);
        }
    }

    #[test]
    fn sbx_1_last_filter_kills_every_other_call_architecture_and_x32() {
        let program = last();
        let known = [READ, WRITE, RT_SIGRETURN, EXIT, EXIT_GROUP, MMAP, MPROTECT, MUNMAP, MADVISE, BRK, MREMAP];
        for number in (0..600).filter(|number| !known.contains(number)) {
            assert_eq!(answer(&program, number, [0; 6]), Verdict::Kill, "call {number}");
        }
        assert_eq!(answer(&program, MREMAP, [0; 6]), Verdict::Errno(ENOMEM));
        assert_eq!(answer(&program, 0x4000_0000 | READ, [0; 6]), Verdict::Kill);
        let other = Outcome { architecture: 0x4000_0003, number: EXIT, arguments: [0; 6] };
        assert_eq!(evaluate(&program, &other), Verdict::Kill);
        assert_eq!(evaluate(&loader(), &other), Verdict::Kill);
    }

    #[test]
    fn sbx_1_compiling_filter_differs_from_the_last_by_the_clock_alone() {
        let (compiling, last) = (compiling(), last());
        for number in 0..600 {
            let differs = answer(&compiling, number, [0; 6]) != answer(&last, number, [0; 6]);
            assert_eq!(differs, number == CLOCK_GETTIME, "call {number}");
        }
    }

    #[test]
    fn sbx_1_loader_filter_opens_nothing() {
        let program = loader();
        assert_eq!(answer(&program, OPENAT, [0; 6]), Verdict::Errno(ENOENT));
        // socket, clone, fork, ptrace, mount, bpf of x86-64; other calls of other architectures, never listed either.
        #[cfg(target_arch = "x86_64")]
        for number in [41, 56, 57, 101, 165, 321, 425, 435] {
            assert_eq!(answer(&program, number, [0; 6]), Verdict::Kill, "call {number}");
        }
    }
}
