//! Numbers of the system calls that the two programs name.

macro_rules! numbers {
    ($($name:ident $x86:literal $arm:literal)*) => {
        $(
            #[cfg(target_arch = "x86_64")]
            pub const $name: u32 = $x86;
            #[cfg(target_arch = "aarch64")]
            pub const $name: u32 = $arm;
        )*
    };
}

numbers! {
    READ 0 63
    WRITE 1 64
    CLOSE 3 57
    FSTAT 5 80
    MMAP 9 222
    MPROTECT 10 226
    MUNMAP 11 215
    BRK 12 214
    RT_SIGACTION 13 134
    RT_SIGPROCMASK 14 135
    RT_SIGRETURN 15 139
    IOCTL 16 29
    SCHED_YIELD 24 124
    MREMAP 25 216
    MADVISE 28 233
    GETPID 39 172
    EXIT 60 93
    FCNTL 72 25
    SIGALTSTACK 131 132
    PRCTL 157 167
    GETTID 186 178
    FUTEX 202 98
    SCHED_GETAFFINITY 204 123
    SET_TID_ADDRESS 218 96
    CLOCK_GETTIME 228 113
    EXIT_GROUP 231 94
    OPENAT 257 56
    NEWFSTATAT 262 79
    READLINKAT 267 78
    PPOLL 271 73
    SET_ROBUST_LIST 273 99
    PRLIMIT64 302 261
    SECCOMP 317 277
    GETRANDOM 318 278
    EXECVEAT 322 281
    MEMBARRIER 324 283
    RSEQ 334 293
}

/// Calls that only x86-64 still has.
#[cfg(target_arch = "x86_64")]
pub mod x86 {
    pub const OPEN: u32 = 2;
    pub const POLL: u32 = 7;
    pub const ACCESS: u32 = 21;
    pub const READLINK: u32 = 89;
    pub const ARCH_PRCTL: u32 = 158;
}
