//! Which system calls Node may make as V8's runner: to start, and with a task. Measured by strace over the acceptance suite
//! of the Executor port with Node 24 on x86-64 (glibc 2.36); what other versions of the C library are known to do is answered,
//! not carried out.

use crate::bpf::{Check, Instruction, Rule, assemble};
use crate::programs::{
    ARCH, ENOENT, ENOMEM, ENOTTY, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_PRIVATE, MAP_SHARED, NO_DESCRIPTOR, PROT_GROWS,
};
use crate::sysno::*;

/// Descriptor of the program that the warden executes: above the limit of descriptors, so that once exec has closed it
/// no other can take its number, and the one exec that is allowed works once.
pub const V8_PROGRAM_PLACE: u32 = 100;

const EPERM: u32 = 1;
const EAGAIN: u32 = 11;
const ENOSYS: u32 = 38;
const AT_EMPTY_PATH: u32 = 0x1000;
/// Writing, creating, truncating, a file without a name, a path without the right to read it.
const OPEN_MORE_THAN_READ: u32 = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20_000_000 | 0o10_000_000;
/// What pthread_create of glibc and of musl asks of clone: a thread that shares everything, never a process.
const THREAD: &[u32] = &[0x003d_0f00, 0x007d_0f00];
const PR_SET_DUMPABLE: u32 = 4;
const PR_SET_NAME: u32 = 15;
const PR_SET_VMA: u32 = 0x5356_4d41;
/// F_GETFD, F_SETFD, F_GETFL, F_SETFL: no duplicates, no locks, no leases.
const FLAGS_ONLY: &[u32] = &[1, 2, 3, 4];
/// WAIT, WAKE, WAIT_BITSET with either clock, all private to the process: no requeueing, no priority inheritance.
const FUTEX_SIMPLE: &[u32] = &[128, 129, 137, 393];
const RUSAGE_SELF: &[u32] = &[0];

/// What V8's locks ask and do where they are fought over, and the clock where no page of the kernel tells it.
fn waiting_rules() -> [Rule; 6] {
    [
        Rule::Allow(SCHED_YIELD),
        Rule::Allow(SCHED_GETPARAM),
        Rule::Allow(SCHED_GETSCHEDULER),
        Rule::Allow(CLOCK_NANOSLEEP),
        Rule::Allow(CLOCK_GETTIME),
        Rule::Allow(GETTIMEOFDAY),
    ]
}

/// Node's start, up to the moment at which it seals itself. Files can be opened for reading only; which ones there are is
/// the root's and Landlock's to say.
pub fn v8_loader() -> Vec<Instruction> {
    let mut rules = memory_rules();
    rules.extend(waiting_rules());
    rules.extend([
        Rule::AllowIf(MMAP, &[Check::With(3, MAP_PRIVATE), Check::Without(3, MAP_SHARED | MAP_GROWSDOWN)]),
        Rule::AllowIf(EXECVEAT, &[Check::OneOf(0, &[V8_PROGRAM_PLACE]), Check::With(4, AT_EMPTY_PATH)]),
        Rule::AllowIf(OPENAT, &[Check::Without(2, OPEN_MORE_THAN_READ)]),
        Rule::AllowIf(CLONE, &[Check::OneOf(0, THREAD)]),
        Rule::AllowIf(PRCTL, &[Check::OneOf(0, &[PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_VMA])]),
        Rule::AllowIf(FCNTL, &[Check::OneOf(1, FLAGS_ONLY)]),
        Rule::AllowIf(PRLIMIT64, &[Check::OneOf(0, &[0])]),
        Rule::Allow(READ),
        Rule::Allow(WRITE),
        Rule::Allow(PREAD64),
        Rule::Allow(CLOSE),
        Rule::Allow(FSTAT),
        Rule::Allow(NEWFSTATAT),
        Rule::Allow(STATX),
        Rule::Allow(GETCWD),
        Rule::Allow(FUTEX),
        Rule::Allow(EPOLL_CREATE1),
        Rule::Allow(EPOLL_CTL),
        Rule::Allow(EPOLL_PWAIT),
        Rule::Allow(EVENTFD2),
        Rule::Allow(PIPE2),
        Rule::Allow(RT_SIGACTION),
        Rule::Allow(RT_SIGPROCMASK),
        Rule::Allow(RT_SIGRETURN),
        Rule::Allow(SCHED_GETAFFINITY),
        Rule::Allow(GETPID),
        Rule::Allow(GETTID),
        Rule::Allow(GETUID),
        Rule::Allow(GETEUID),
        Rule::Allow(GETGID),
        Rule::Allow(GETEGID),
        Rule::Allow(CAPGET),
        Rule::Allow(UNAME),
        Rule::Allow(SYSINFO),
        Rule::Allow(GETRUSAGE),
        Rule::Allow(SET_TID_ADDRESS),
        Rule::Allow(SET_ROBUST_LIST),
        Rule::Allow(RSEQ),
        Rule::Allow(GETRANDOM),
        Rule::Allow(SECCOMP),
        Rule::Allow(EXIT),
        Rule::Allow(EXIT_GROUP),
        // The C library and libuv go another way when the kernel does not have these.
        Rule::Refuse(CLONE3, ENOSYS),
        Rule::Refuse(IO_URING_SETUP, ENOSYS),
        Rule::Refuse(PKEY_ALLOC, ENOSYS),
        // Node does without. The escape suite's programs, which stand in its place, ask for them and start without poll.
        Rule::Allow(SIGALTSTACK),
        Rule::Refuse(PPOLL, EAGAIN),
        #[cfg(target_arch = "x86_64")]
        Rule::Refuse(x86::POLL, EAGAIN),
        Rule::Refuse(IOCTL, ENOTTY),
        Rule::Refuse(READLINKAT, ENOENT),
        Rule::Refuse(KILL, EPERM),
        Rule::Refuse(TGKILL, EPERM),
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.extend([
        Rule::Allow(x86::ARCH_PRCTL),
        Rule::Refuse(x86::OPEN, ENOENT),
        Rule::Refuse(x86::ACCESS, ENOENT),
        Rule::Refuse(x86::READLINK, ENOENT),
    ]);
    assemble(ARCH, &rules)
}

/// With a task, on every thread. V8 makes code while it runs, so memory may become executable; nothing can be opened, started,
/// connected or signalled, and what descriptors there are came with the start: two pipes, and those with which the threads of
/// this process wake one another.
pub fn v8_last() -> Vec<Instruction> {
    let mut rules = memory_rules();
    rules.extend(waiting_rules());
    rules.extend([
        Rule::AllowIf(
            MMAP,
            &[
                Check::With(3, MAP_ANONYMOUS),
                Check::With(3, MAP_PRIVATE),
                Check::Without(3, MAP_SHARED | MAP_GROWSDOWN),
                Check::OneOf(4, NO_DESCRIPTOR),
            ],
        ),
        Rule::Allow(READ),
        Rule::Allow(WRITE),
        Rule::AllowIf(FUTEX, &[Check::OneOf(1, FUTEX_SIMPLE)]),
        Rule::Allow(EPOLL_PWAIT),
        Rule::Allow(RT_SIGACTION),
        Rule::Allow(RT_SIGPROCMASK),
        Rule::Allow(RT_SIGRETURN),
        Rule::Allow(GETPID),
        Rule::Allow(GETTID),
        Rule::AllowIf(GETRUSAGE, &[Check::OneOf(0, RUSAGE_SELF)]),
        Rule::Allow(EXIT),
        Rule::Allow(EXIT_GROUP),
        // What an allocator tries in passing, what abort() does before it faults, threads beyond those that there are.
        Rule::Refuse(OPENAT, ENOENT),
        Rule::Refuse(SCHED_GETAFFINITY, EPERM),
        Rule::Refuse(PRCTL, EPERM),
        Rule::Refuse(CLONE3, ENOSYS),
        Rule::Refuse(CLONE, EAGAIN),
        Rule::Refuse(KILL, EPERM),
        Rule::Refuse(TGKILL, EPERM),
    ]);
    assemble(ARCH, &rules)
}

fn memory_rules() -> Vec<Rule> {
    vec![
        Rule::AllowIf(MPROTECT, &[Check::Without(2, PROT_GROWS)]),
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
    fn sbx_1_with_a_task_v8_makes_a_handful_of_calls_and_no_other_is_carried_out() {
        let program = v8_last();
        let made = [
            READ,
            WRITE,
            MMAP,
            MPROTECT,
            MUNMAP,
            MADVISE,
            BRK,
            FUTEX,
            EPOLL_PWAIT,
            RT_SIGACTION,
            RT_SIGPROCMASK,
            RT_SIGRETURN,
            GETPID,
            GETTID,
            GETRUSAGE,
            EXIT,
            EXIT_GROUP,
            SCHED_YIELD,
            SCHED_GETPARAM,
            SCHED_GETSCHEDULER,
            CLOCK_NANOSLEEP,
            CLOCK_GETTIME,
            GETTIMEOFDAY,
        ];
        for number in (0..600).filter(|number| !made.contains(number)) {
            assert_ne!(answer(&program, number, [0; 6]), Verdict::Allow, "call {number}");
        }
        for number in [OPENAT, CLONE, CLONE3, KILL, TGKILL, PRCTL, MREMAP, SCHED_GETAFFINITY] {
            assert!(matches!(answer(&program, number, [0; 6]), Verdict::Errno(_)), "call {number}");
        }
        for number in [EXECVEAT, SECCOMP, EPOLL_CREATE1, EVENTFD2, PIPE2, FCNTL, IOCTL, CLOSE, STATX, PRLIMIT64] {
            assert_eq!(answer(&program, number, [0; 6]), Verdict::Kill, "call {number}");
        }
        assert_eq!(answer(&program, 0x4000_0000 | READ, [0; 6]), Verdict::Kill);
        let other = Outcome { architecture: 0x4000_0003, number: EXIT, arguments: [0; 6] };
        assert_eq!(evaluate(&program, &other), Verdict::Kill);
        assert_eq!(evaluate(&v8_loader(), &other), Verdict::Kill);
    }

    #[test]
    fn sbx_1_with_a_task_v8_maps_no_file_and_shares_no_memory() {
        let program = v8_last();
        let anonymous = u64::from(MAP_ANONYMOUS | MAP_PRIVATE);
        assert_eq!(answer(&program, MMAP, [0, 4096, 7, anonymous, u64::MAX, 0]), Verdict::Allow);
        assert_eq!(answer(&program, MMAP, [0, 4096, 1, u64::from(MAP_PRIVATE), 5, 0]), Verdict::Kill);
        assert_eq!(answer(&program, MMAP, [0, 4096, 1, anonymous, 5, 0]), Verdict::Kill);
        for flags in [MAP_ANONYMOUS | MAP_SHARED, MAP_ANONYMOUS | 3, MAP_ANONYMOUS | MAP_PRIVATE | MAP_GROWSDOWN] {
            let call = [0, 4096, 3, u64::from(flags), u64::MAX, 0];
            assert_eq!(answer(&program, MMAP, call), Verdict::Kill);
            assert_eq!(answer(&v8_loader(), MMAP, call), Verdict::Kill);
        }
        assert_eq!(answer(&program, MPROTECT, [0, 4096, u64::from(PROT_GROWS) | 3, 0, 0, 0]), Verdict::Kill);
    }

    #[test]
    fn sbx_1_with_a_task_v8_waits_and_wakes_only_inside_its_process() {
        let program = v8_last();
        for operation in 0..1024 {
            let expected = FUTEX_SIMPLE.contains(&operation);
            let verdict = answer(&program, FUTEX, [0, u64::from(operation), 0, 0, 0, 0]);
            assert_eq!(verdict == Verdict::Allow, expected, "futex {operation}");
        }
    }

    #[test]
    fn sbx_1_while_it_starts_v8_opens_nothing_for_writing() {
        let program = v8_loader();
        let open = |flags: u64| answer(&program, OPENAT, [0, 0, flags, 0, 0, 0]);
        assert_eq!(open(0o2_000_000), Verdict::Allow, "O_CLOEXEC");
        for flags in [0o1, 0o2, 0o101, 0o1000, 0o20_200_000, 0o10_000_000] {
            assert_eq!(open(flags), Verdict::Kill, "flags {flags:o}");
        }
    }

    #[test]
    fn sbx_1_while_it_starts_v8_makes_threads_but_no_process_and_executes_once() {
        let program = v8_loader();
        let clone = |flags: u64| answer(&program, CLONE, [flags, 0, 0, 0, 0, 0]);
        assert_eq!(clone(0x003d_0f00), Verdict::Allow);
        // fork, vfork, a process that shares memory, new namespaces.
        for flags in [17, 0x4111, 0x0100_0011, 0x003c_0f00, 0x103d_0f00] {
            assert_eq!(clone(flags), Verdict::Kill, "flags {flags:x}");
        }
        assert_eq!(answer(&program, CLONE3, [0; 6]), Verdict::Errno(ENOSYS));
        let execute = |fd: u64, flags: u64| answer(&program, EXECVEAT, [fd, 0, 0, 0, flags, 0]);
        assert_eq!(execute(u64::from(V8_PROGRAM_PLACE), u64::from(AT_EMPTY_PATH)), Verdict::Allow);
        assert_eq!(execute(5, u64::from(AT_EMPTY_PATH)), Verdict::Kill);
        assert_eq!(execute(u64::from(V8_PROGRAM_PLACE), 0), Verdict::Kill);
    }

    #[test]
    fn sbx_1_while_it_starts_v8_has_no_socket_trace_mount_or_door_to_another_process() {
        let program = v8_loader();
        assert_eq!(answer(&program, IO_URING_SETUP, [0; 6]), Verdict::Errno(ENOSYS));
        assert_eq!(answer(&program, KILL, [0; 6]), Verdict::Errno(EPERM));
        // socket, connect, fork, vfork, execve, ptrace, mount, unshare, setns, bpf, userfaultfd, perf, keyctl, process_vm.
        #[cfg(target_arch = "x86_64")]
        for number in [41, 42, 57, 58, 59, 101, 165, 272, 308, 321, 323, 298, 250, 310] {
            assert_eq!(answer(&program, number, [0; 6]), Verdict::Kill, "call {number}");
        }
        assert_eq!(answer(&program, PRLIMIT64, [7, 0, 0, 0, 0, 0]), Verdict::Kill, "another process");
        assert_eq!(answer(&program, PRCTL, [8, 0, 0, 0, 0, 0]), Verdict::Kill);
        assert_eq!(answer(&program, FCNTL, [0, 0, 0, 0, 0, 0]), Verdict::Kill, "a duplicate");
    }
}
