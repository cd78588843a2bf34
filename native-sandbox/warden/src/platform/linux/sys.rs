//! Calls of the C library and the kernel, declared by hand. Everything unsafe that needs no context is wrapped here.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

#[repr(C)]
pub struct PollFd {
    pub fd: c_int,
    pub events: i16,
    pub revents: i16,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct TimeSpec {
    pub seconds: i64,
    pub nanoseconds: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RLimit {
    pub soft: u64,
    pub hard: u64,
}

/// `struct rusage`: two times, then fourteen counters, of which the first is the peak of resident KiB.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RUsage {
    pub user: [i64; 2],
    pub system: [i64; 2],
    pub peak_kib: i64,
    rest: [i64; 13],
}

impl RUsage {
    pub fn processor_ns(&self) -> u64 {
        let microseconds = [self.user, self.system].iter().map(|[s, us]| s * 1_000_000 + us).sum::<i64>();
        microseconds.unsigned_abs() * 1000
    }

    pub fn peak_bytes(&self) -> u64 {
        self.peak_kib.unsigned_abs() * 1024
    }
}

unsafe extern "C" {
    pub fn syscall(number: c_long, ...) -> c_long;
    pub fn prctl(option: c_int, ...) -> c_int;
    pub fn _exit(status: c_int) -> !;
    pub fn dup2(old: c_int, new: c_int) -> c_int;
    fn setsid() -> c_int;
    pub fn mmap(at: *mut c_void, length: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn pipe2(fds: *mut c_int, flags: c_int) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn umount2(target: *const c_char, flags: c_int) -> c_int;
    fn chdir(path: *const c_char) -> c_int;
    fn mkdir(path: *const c_char, mode: c_uint) -> c_int;
    fn mknod(path: *const c_char, mode: c_uint, device: u64) -> c_int;
    fn sethostname(name: *const c_char, length: usize) -> c_int;
    fn getrlimit(resource: c_uint, limit: *mut RLimit) -> c_int;
    fn setrlimit(resource: c_uint, limit: *const RLimit) -> c_int;
    fn setpriority(which: c_uint, who: c_uint, value: c_int) -> c_int;
    fn sched_setscheduler(pid: c_int, policy: c_int, parameter: *const c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut RUsage) -> c_int;
    fn ppoll(fds: *mut PollFd, count: c_ulong, timeout: *const TimeSpec, mask: *const c_void) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut TimeSpec) -> c_int;
    fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    fn ftruncate(fd: c_int, length: i64) -> c_int;
    fn geteuid() -> c_uint;
    fn getegid() -> c_uint;
    fn getppid() -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn getxattr(path: *const c_char, name: *const c_char, value: *mut c_void, size: usize) -> isize;
}

pub const SIGKILL: i32 = 9;
pub const SIGCONT: i32 = 18;
pub const SIGSTOP: i32 = 19;
pub const POLLIN: i16 = 1;
pub const POLLOUT: i16 = 4;
pub const POLLERR: i16 = 8;
pub const POLLHUP: i16 = 16;
const O_NONBLOCK: c_int = 0o4000;
const O_CLOEXEC: c_int = 0o2_000_000;
const F_SETFL: c_int = 4;
const F_GETFL: c_int = 3;
const F_ADD_SEALS: c_int = 1033;
pub const WNOHANG: i32 = 1;

/// Numbers of calls that the C library may not have.
pub mod number {
    pub const PIDFD_SEND_SIGNAL: i64 = 424;
    pub const OPEN_TREE: i64 = 428;
    pub const MOVE_MOUNT: i64 = 429;
    pub const CLONE3: i64 = 435;
    pub const MOUNT_SETATTR: i64 = 442;
    pub const PIDFD_OPEN: i64 = 434;
    pub const CLOSE_RANGE: i64 = 436;
    pub const LANDLOCK_CREATE_RULESET: i64 = 444;
    pub const LANDLOCK_ADD_RULE: i64 = 445;
    pub const LANDLOCK_RESTRICT_SELF: i64 = 446;
    pub const EXECVEAT: i64 = askee_filter::sysno::EXECVEAT as i64;
    pub const SECCOMP: i64 = askee_filter::sysno::SECCOMP as i64;
    #[cfg(target_arch = "x86_64")]
    mod differs {
        pub const PIVOT_ROOT: i64 = 155;
        pub const CAPSET: i64 = 126;
        pub const SETRESUID: i64 = 117;
        pub const SETRESGID: i64 = 119;
        pub const IOPRIO_SET: i64 = 251;
        pub const KEYCTL: i64 = 250;
    }
    #[cfg(target_arch = "aarch64")]
    mod differs {
        pub const PIVOT_ROOT: i64 = 41;
        pub const CAPSET: i64 = 91;
        pub const SETRESUID: i64 = 147;
        pub const SETRESGID: i64 = 149;
        pub const IOPRIO_SET: i64 = 30;
        pub const KEYCTL: i64 = 219;
    }
    pub use differs::*;
}

/// `Ok(value)` of a call that answers −1 with errno.
pub fn check(value: i64) -> io::Result<i64> {
    if value == -1 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// A raw call whose arguments are all numbers. Pointers go through the functions that know their type.
pub fn call(number: i64, a: u64, b: u64, c: u64) -> io::Result<i64> {
    // SAFETY: callers pass plain numbers to calls that take no pointers; the kernel checks the rest.
    check(unsafe { syscall(number, a, b, c, 0u64, 0u64) })
}

pub fn prctl_set(option: i32, a: u64, b: u64) -> io::Result<()> {
    // SAFETY: every option used takes numbers only.
    check(i64::from(unsafe { prctl(option, a, b, 0u64, 0u64) })).map(drop)
}

pub const PR_GET_MDWE: i32 = 66;

/// Whether the kernel can take the processor's clock from a process.
pub fn can_read_tsc_mode() -> io::Result<()> {
    const PR_GET_TSC: c_int = 25;
    let mut mode: c_int = 0;
    // SAFETY: room for an int. Other processors than x86 refuse it.
    check(i64::from(unsafe { prctl(PR_GET_TSC, &raw mut mode) })).map(drop)
}

/// A pipe: reading end, writing end; both closed on exec.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    check(i64::from(unsafe { pipe2(ends.as_mut_ptr(), O_CLOEXEC) }))?;
    // SAFETY: the kernel has just given them to us alone.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// A descriptor that becomes readable when the process ends (all its threads).
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    let fd = call(number::PIDFD_OPEN, pid as u64, 0, 0)?;
    // SAFETY: the kernel has just given it to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

pub fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_GETFL and F_SETFL take numbers.
    let flags = unsafe { check(i64::from(fcntl(fd, F_GETFL)))? } as c_int;
    // SAFETY: as above.
    check(i64::from(unsafe { fcntl(fd, F_SETFL, flags | O_NONBLOCK) })).map(drop)
}

pub fn mount_at(source: &CStr, target: &CStr, kind: &CStr, flags: u64, data: &CStr) -> io::Result<()> {
    // SAFETY: all pointers are to C strings that live through the call.
    let result = unsafe { mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) };
    check(i64::from(result)).map(drop)
}

pub fn unmount(target: &CStr, flags: i32) -> io::Result<()> {
    // SAFETY: a C string that lives through the call.
    check(i64::from(unsafe { umount2(target.as_ptr(), flags) })).map(drop)
}

pub fn make_folder(path: &CStr) -> io::Result<()> {
    // SAFETY: a C string that lives through the call.
    check(i64::from(unsafe { mkdir(path.as_ptr(), 0o755) })).map(drop)
}

/// An empty file, for something to be mounted on.
pub fn make_file(path: &CStr) -> io::Result<()> {
    const REGULAR: c_uint = 0o100_000;
    // SAFETY: a C string that lives through the call, and numbers.
    check(i64::from(unsafe { mknod(path.as_ptr(), REGULAR | 0o444, 0) })).map(drop)
}

pub fn change_directory(path: &CStr) -> io::Result<()> {
    // SAFETY: a C string that lives through the call.
    check(i64::from(unsafe { chdir(path.as_ptr()) })).map(drop)
}

pub fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length are of one string.
    check(i64::from(unsafe { sethostname(name.as_ptr().cast(), name.len()) })).map(drop)
}

/// `u64::MAX` for none.
pub fn hard_limit(resource: u32) -> io::Result<u64> {
    let mut limit = RLimit { soft: 0, hard: 0 };
    // SAFETY: room for a `struct rlimit`.
    check(i64::from(unsafe { getrlimit(resource, &raw mut limit) })).map(|_| limit.hard)
}

pub fn limit(resource: u32, value: u64) -> io::Result<()> {
    limit_between(resource, value, value)
}

/// Children inherit both, and may set theirs up to `hard`.
pub fn limit_between(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = RLimit { soft, hard };
    // SAFETY: a valid `struct rlimit`.
    check(i64::from(unsafe { setrlimit(resource, &raw const limit) })).map(drop)
}

/// Of process `pid`; 0 is the caller.
pub fn set_nice(pid: i32, value: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    check(i64::from(unsafe { setpriority(0, pid as c_uint, value) })).map(drop)
}

/// Of process `pid`; 0 is the caller.
pub fn set_scheduler(pid: i32, policy: i32) -> io::Result<()> {
    let priority: c_int = 0;
    // SAFETY: `struct sched_param` is one int.
    check(i64::from(unsafe { sched_setscheduler(pid, policy, &raw const priority) })).map(drop)
}

pub fn send_signal(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: numbers only. Callers pass the process id of an unreaped child.
    check(i64::from(unsafe { kill(pid, signal) })).map(drop)
}

pub fn new_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    check(i64::from(unsafe { setsid() })).map(drop)
}

/// Extended attribute of a file, if it has it and it is no longer than a few bytes.
pub fn attribute(path: &CStr, name: &CStr) -> Option<Vec<u8>> {
    let mut value = [0u8; 16];
    // SAFETY: two C strings, and room of the size said.
    let length = unsafe { getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    usize::try_from(length).ok().map(|length| value[..length].to_vec())
}

pub fn ignore_signal(number: i32) {
    const SIG_IGN: usize = 1;
    // SAFETY: no handler of ours.
    unsafe { signal(number, SIG_IGN) };
}

/// Ends of children can be waited for. Who started us may ignore SIGCHLD, and that is inherited: then the kernel reaps them
/// itself, and nobody hears how they ended.
pub fn keep_ended_children() {
    const SIGCHLD: i32 = 17;
    const SIG_DFL: usize = 0;
    // SAFETY: no handler of ours.
    unsafe { signal(SIGCHLD, SIG_DFL) };
}

/// What `ps` shows; at most 15 bytes.
pub fn name_process(name: &CStr) -> io::Result<()> {
    const PR_SET_NAME: c_int = 15;
    // SAFETY: a C string that lives through the call.
    check(i64::from(unsafe { prctl(PR_SET_NAME, name.as_ptr()) })).map(drop)
}

/// `Some((status, usage))` when the child has something to tell.
pub fn wait(pid: i32, options: i32) -> io::Result<Option<(i32, RUsage)>> {
    let mut status = 0;
    let mut usage = RUsage::default();
    // SAFETY: both pointers are to values of the right size.
    let found = check(i64::from(unsafe { wait4(pid, &raw mut status, options, &raw mut usage) }))?;
    Ok((found != 0).then_some((status, usage)))
}

/// Waits until a descriptor is ready. Interrupted counts as nothing ready.
pub fn poll(fds: &mut [PollFd], timeout_nanoseconds: Option<u64>) -> io::Result<()> {
    let timeout = timeout_nanoseconds
        .map(|n| TimeSpec { seconds: (n / 1_000_000_000) as i64, nanoseconds: (n % 1_000_000_000) as i64 });
    let pointer = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the slice and the optional time live through the call.
    let result = unsafe { ppoll(fds.as_mut_ptr(), fds.len() as c_ulong, pointer, std::ptr::null()) };
    match check(i64::from(result)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            for fd in fds {
                fd.revents = 0;
            }
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Whether the process behind a pidfd has ended, after at most so many nanoseconds (`None`: however long it takes).
pub fn has_ended(pidfd: RawFd, wait_nanoseconds: Option<u64>) -> io::Result<bool> {
    let mut fds = [PollFd { fd: pidfd, events: POLLIN, revents: 0 }];
    poll(&mut fds, wait_nanoseconds)?;
    Ok(fds[0].revents != 0)
}

pub const CLOCK_MONOTONIC: i32 = 1;

pub fn clock(id: i32) -> Option<u64> {
    let mut time = TimeSpec::default();
    // SAFETY: a valid `struct timespec`.
    let result = unsafe { clock_gettime(id, &raw mut time) };
    (result == 0).then_some(time.seconds as u64 * 1_000_000_000 + time.nanoseconds as u64)
}

/// The clock that counts the processor time of all threads of another process (CPUCLOCK_SCHED).
pub fn processor_clock_of(pid: i32) -> i32 {
    (!pid << 3) | 2
}

const PAGE: usize = 4096;
const MFD_CLOEXEC: u32 = 1;
const MFD_ALLOW_SEALING: u32 = 2;
/// Never smaller, never larger, no new writer, no change of seals.
const SEALS: c_int = 0x2 | 0x4 | 0x10 | 0x1;

/// A page of memory that only we can write, and whoever gets the descriptor can map for reading.
pub fn shared_page() -> io::Result<(OwnedFd, *mut u32)> {
    // SAFETY: a constant C string.
    let fd = check(i64::from(unsafe { memfd_create(c"control".as_ptr(), MFD_CLOEXEC | MFD_ALLOW_SEALING) }))?;
    // SAFETY: the kernel has just given it to us alone.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
    // SAFETY: our own descriptor.
    check(i64::from(unsafe { ftruncate(raw, PAGE as i64) }))?;
    // SAFETY: a new shared mapping of a file of that size.
    let page = unsafe { mmap(std::ptr::null_mut(), PAGE, 3, 1, raw, 0) };
    if page as isize == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: numbers only.
    check(i64::from(unsafe { fcntl(raw, F_ADD_SEALS, SEALS) }))?;
    Ok((fd, page.cast()))
}

pub fn user_id() -> u32 {
    // SAFETY: always succeeds.
    unsafe { geteuid() }
}

pub fn group_id() -> u32 {
    // SAFETY: always succeeds.
    unsafe { getegid() }
}

pub fn parent_id() -> i32 {
    // SAFETY: always succeeds.
    unsafe { getppid() }
}
