//! Numbers of the system calls that the programs name.

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
    GETTIMEOFDAY 96 169
    GETRUSAGE 98 165
    SCHED_GETPARAM 143 121
    SCHED_GETSCHEDULER 145 120
    CLOCK_NANOSLEEP 230 115
    PREAD64 17 67
    CLONE 56 220
    KILL 62 129
    UNAME 63 160
    GETCWD 79 17
    SYSINFO 99 179
    GETUID 102 174
    GETGID 104 176
    GETEUID 107 175
    GETEGID 108 177
    CAPGET 125 90
    EPOLL_CTL 233 21
    TGKILL 234 131
    EPOLL_PWAIT 281 22
    EVENTFD2 290 19
    EPOLL_CREATE1 291 20
    PIPE2 293 59
    PKEY_ALLOC 330 289
    STATX 332 291
    IO_URING_SETUP 425 425
    CLONE3 435 435
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
