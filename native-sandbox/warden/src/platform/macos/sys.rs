//! Calls of libSystem, declared by hand as Apple's headers write them.

use std::ffi::{c_char, c_int, c_short, c_uint, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{null, null_mut};
use std::sync::atomic::AtomicU32;

/// `struct kevent`
#[repr(C)]
struct KEvent {
    ident: usize,
    filter: i16,
    flags: u16,
    filter_flags: u32,
    data: isize,
    user: *mut c_void,
}

/// `struct timeval`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct TimeVal {
    seconds: i64,
    microseconds: i32,
}

/// `struct rusage`: two times, the peak of resident bytes, thirteen more counters.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RUsage {
    user: TimeVal,
    system: TimeVal,
    pub peak_bytes: i64,
    rest: [i64; 13],
}

impl RUsage {
    pub fn processor_ns(&self) -> u64 {
        let of = |time: TimeVal| time.seconds * 1_000_000_000 + i64::from(time.microseconds) * 1000;
        (of(self.user) + of(self.system)).unsigned_abs()
    }
}

// What Apple's headers make of them.
const _: () = assert!(size_of::<RUsage>() == 144 && size_of::<KEvent>() == 32);

unsafe extern "C" {
    fn pipe(fds: *mut c_int) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn shm_open(name: *const c_char, flags: c_int, ...) -> c_int;
    fn shm_unlink(name: *const c_char) -> c_int;
    fn ftruncate(fd: c_int, length: i64) -> c_int;
    fn mmap(at: *mut c_void, length: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn kqueue() -> c_int;
    fn kevent(
        queue: c_int,
        changes: *const KEvent,
        change_count: c_int,
        events: *mut KEvent,
        event_count: c_int,
        timeout: *const c_void,
    ) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut RUsage) -> c_int;
    fn getppid() -> c_int;
    fn setpriority(which: c_int, who: c_uint, value: c_int) -> c_int;
    fn getpriority(which: c_int, who: c_uint) -> c_int;

    pub fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const *mut c_void,
        attributes: *const *mut c_void,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> c_int;
    pub fn posix_spawnattr_init(attributes: *mut *mut c_void) -> c_int;
    pub fn posix_spawnattr_destroy(attributes: *mut *mut c_void) -> c_int;
    pub fn posix_spawnattr_setflags(attributes: *mut *mut c_void, flags: c_short) -> c_int;
    pub fn posix_spawnattr_setpgroup(attributes: *mut *mut c_void, group: c_int) -> c_int;
    pub fn posix_spawnattr_setsigdefault(attributes: *mut *mut c_void, signals: *const u32) -> c_int;
    pub fn posix_spawnattr_setsigmask(attributes: *mut *mut c_void, signals: *const u32) -> c_int;
    pub fn posix_spawn_file_actions_init(actions: *mut *mut c_void) -> c_int;
    pub fn posix_spawn_file_actions_destroy(actions: *mut *mut c_void) -> c_int;
    pub fn posix_spawn_file_actions_adddup2(actions: *mut *mut c_void, from: c_int, to: c_int) -> c_int;
    pub fn posix_spawn_file_actions_addopen(
        actions: *mut *mut c_void,
        fd: c_int,
        path: *const c_char,
        flags: c_int,
        mode: u16,
    ) -> c_int;
}

pub const SIGKILL: i32 = 9;
pub const SIGSTOP: i32 = 17;
pub const SIGCONT: i32 = 19;
const F_DUPFD_CLOEXEC: c_int = 67;
const PAGE_BYTES: usize = 16 * 1024;

pub fn check(result: c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn own(fd: RawFd) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: just opened for us, and nobody else closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reading and writing end, above the places that a child's descriptors take.
pub fn make_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: a place for two descriptors.
    check(unsafe { pipe(fds.as_mut_ptr()) })?;
    Ok((above_places(own(fds[0])?)?, above_places(own(fds[1])?)?))
}

/// So that giving one descriptor its place in a child never covers another.
fn above_places(fd: OwnedFd) -> io::Result<OwnedFd> {
    const FIRST: c_int = 16;
    // SAFETY: an open descriptor.
    own(unsafe { fcntl(fd.as_raw_fd(), F_DUPFD_CLOEXEC, FIRST) })
}

/// The page a runner reads: how many tenths of a second it ran, and whether it shall stop between two steps.
pub struct ControlPage {
    /// May only be read.
    pub for_runner: OwnedFd,
    pub ticks: &'static AtomicU32,
    pub suspend: &'static AtomicU32,
}

impl ControlPage {
    pub fn create() -> io::Result<Self> {
        const O_RDONLY: c_int = 0;
        const NEW_TO_WRITE: c_int = 0x2 | 0x200 | 0x800;
        let name = std::ffi::CString::new(format!("/askee.{}", std::process::id()))?;
        // SAFETY: a text; the name goes at once, so that nobody else can open it.
        let (writable, readable) = unsafe {
            // A warden with our process id that was killed in between may have left it.
            shm_unlink(name.as_ptr());
            let writable = own(shm_open(name.as_ptr(), NEW_TO_WRITE, 0o600 as c_int));
            let readable = own(shm_open(name.as_ptr(), O_RDONLY));
            shm_unlink(name.as_ptr());
            (writable?, above_places(readable?)?)
        };
        // SAFETY: an open descriptor.
        check(unsafe { ftruncate(writable.as_raw_fd(), PAGE_BYTES as i64) })?;
        // SAFETY: a new shared mapping (1) to read and write (3).
        let page = unsafe { mmap(null_mut(), PAGE_BYTES, 3, 1, writable.as_raw_fd(), 0) };
        if page as isize == -1 {
            return Err(io::Error::last_os_error());
        }
        let page = page.cast::<u32>();
        // SAFETY: mapped until the process ends and aligned; the runner can only read it.
        let (ticks, suspend) = unsafe { (AtomicU32::from_ptr(page), AtomicU32::from_ptr(page.add(1))) };
        Ok(Self { for_runner: readable, ticks, suspend })
    }
}

/// Returns when the process ended, collected or not. Any process of this user, not only a child.
pub fn wait_for_exit(pid: c_int) {
    const EVFILT_PROC: i16 = -5;
    const EV_ADD_ONESHOT: u16 = 0x11;
    const NOTE_EXIT: u32 = 0x8000_0000;
    let event = || KEvent {
        ident: pid as usize,
        filter: EVFILT_PROC,
        flags: EV_ADD_ONESHOT,
        filter_flags: NOTE_EXIT,
        data: 0,
        user: null_mut(),
    };
    // SAFETY: takes nothing.
    let Ok(queue) = own(unsafe { kqueue() }) else { return };
    let (change, mut told) = (event(), event());
    // One that is gone already comes back as an event with an error: that too is its end.
    loop {
        // SAFETY: one change, and room for one event.
        let count = unsafe { kevent(queue.as_raw_fd(), &raw const change, 1, &raw mut told, 1, null()) };
        if count != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

pub fn parent_id() -> c_int {
    // SAFETY: takes nothing.
    unsafe { getppid() }
}

pub fn send_signal(pid: c_int, signal: c_int) -> io::Result<()> {
    // SAFETY: takes numbers. The process is a child that was not collected, so the number is still its.
    check(unsafe { kill(pid, signal) })
}

/// Collects a child that has ended; with `waits`, waits for that.
pub fn collect(pid: c_int, waits: Waits) -> Option<(c_int, RUsage)> {
    const WNOHANG: c_int = 1;
    let (mut status, mut usage) = (0, RUsage::default());
    let options = if waits == Waits::No { WNOHANG } else { 0 };
    // SAFETY: two places for the answer.
    let collected = unsafe { wait4(pid, &raw mut status, options, &raw mut usage) };
    (collected == pid).then_some((status, usage))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Yes,
    No,
}

/// The lowest class there is, for processor, disk and network; and whether it is seen in force.
pub fn make_background(pid: c_int) -> io::Result<()> {
    const PRIO_DARWIN_PROCESS: c_int = 4;
    const PRIO_DARWIN_BG: c_int = 0x1000;
    // SAFETY: takes numbers.
    check(unsafe { setpriority(PRIO_DARWIN_PROCESS, pid as c_uint, PRIO_DARWIN_BG) })?;
    // SAFETY: takes numbers.
    let is_background = unsafe { getpriority(PRIO_DARWIN_PROCESS, pid as c_uint) } == 1;
    if is_background { Ok(()) } else { Err(io::Error::other("set, but not seen in force")) }
}
