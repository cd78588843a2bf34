//! The few calls of the C library that the standard one does not have.

use std::ffi::{CString, c_char, c_int, c_ulong, c_void};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

unsafe extern "C" {
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn chroot(path: *const c_char) -> c_int;
    fn chdir(path: *const c_char) -> c_int;
    fn reboot(how: c_int) -> c_int;
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn _exit(code: c_int) -> !;
    fn setxattr(
        path: *const c_char,
        name: *const c_char,
        value: *const c_void,
        size: usize,
        flags: c_int,
    ) -> c_int;
    fn syscall(number: i64, ...) -> i64;
    fn posix_memalign(place: *mut *mut u8, alignment: usize, bytes: usize) -> c_int;
}

const FINIT_MODULE: i64 = 313;
const POWER_OFF: c_int = 0x4321_fedc;
const WNOHANG: c_int = 1;
pub const SIGKILL: i32 = 9;

pub fn mount_at(kind: &str, target: &str) {
    let _ = std::fs::create_dir_all(target);
    let [kind, target] = [kind, target].map(|text| CString::new(text).expect("no zero bytes"));
    // SAFETY: C strings that live through the call.
    unsafe { mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
}

/// The kernel gives no other root to whoever is on the first one: goes to a view of it that is mounted like any other.
pub fn leave_first_root() -> bool {
    const BIND: c_ulong = 4096;
    const MOVE: c_ulong = 8192;
    let _ = std::fs::create_dir_all("/view");
    // SAFETY: C strings.
    unsafe {
        mount(c"/".as_ptr(), c"/view".as_ptr(), std::ptr::null(), BIND, std::ptr::null()) == 0
            && chdir(c"/view".as_ptr()) == 0
            && mount(c".".as_ptr(), c"/".as_ptr(), std::ptr::null(), MOVE, std::ptr::null()) == 0
            && chroot(c".".as_ptr()) == 0
    }
}

pub fn load_module(path: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    // SAFETY: a descriptor, an empty C string, flags.
    unsafe { syscall(FINIT_MODULE, i64::from(file.as_raw_fd()), c"".as_ptr(), 0i64) == 0 }
}

pub fn power_off() -> ! {
    // SAFETY: takes a number.
    unsafe { reboot(POWER_OFF) };
    loop {
        std::thread::park();
    }
}

/// Runs `work` in a child; its result is the exit code. This process has one thread.
pub fn in_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: one thread: the child is a whole copy.
    match unsafe { fork() } {
        0 => {
            let code = work();
            // SAFETY: ends the child.
            unsafe { _exit(code) }
        }
        pid => pid,
    }
}

/// Exit code, or minus the signal; `None` while it runs.
pub fn reap(pid: i32, wait: bool) -> Option<i32> {
    let mut status = 0;
    // SAFETY: a place for the status.
    let found = unsafe { waitpid(pid, &raw mut status, if wait { 0 } else { WNOHANG }) };
    (found == pid).then(|| if status & 0x7f == 0 { status >> 8 & 0xff } else { -(status & 0x7f) })
}

pub fn send_signal(pid: i32, signal: i32) {
    // SAFETY: takes numbers.
    unsafe { kill(pid, signal) };
}

/// A child that ends at once; false when there may be none.
pub fn can_fork() -> Option<i32> {
    // SAFETY: one thread; the child waits to be killed.
    match unsafe { fork() } {
        0 => loop {
            std::thread::sleep(std::time::Duration::from_secs(60));
        },
        -1 => None,
        pid => Some(pid),
    }
}

/// Memory at a page's edge, for direct I/O.
pub fn aligned(bytes: usize) -> &'static mut [u8] {
    let mut place = std::ptr::null_mut();
    // SAFETY: a place for the pointer; the memory is never given back.
    unsafe {
        assert_eq!(posix_memalign(&raw mut place, 4096, bytes), 0);
        std::ptr::write_bytes(place, 7, bytes);
        std::slice::from_raw_parts_mut(place, bytes)
    }
}

pub fn set_attribute(path: &str, name: &str, value: &str) -> bool {
    let [path, name] = [path, name].map(|text| CString::new(text).expect("no zero bytes"));
    // SAFETY: C strings, and a value of the length said, that live through the call.
    unsafe { setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) == 0 }
}

/// What the kernel has said so far.
pub fn kernel_log() -> String {
    const O_NONBLOCK: i32 = 0o4000;
    let mut log = String::new();
    let Ok(mut records) = File::options().read(true).custom_flags(O_NONBLOCK).open("/dev/kmsg") else {
        return log;
    };
    let mut record = [0; 8192];
    while let Ok(length) = records.read(&mut record) {
        log.push_str(&String::from_utf8_lossy(&record[..length]));
    }
    log
}
