//! What the kernel says of another process: what it used, whether it stands, and what holds it.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr::null;

/// `struct rusage_info_v4`: an identifier, then words.
#[repr(C)]
pub struct RUsageInfo {
    identifier: [u8; 16],
    words: [u64; 35],
}

impl RUsageInfo {
    /// User and system time, in ticks of [`nanoseconds`].
    pub fn processor_ticks(&self) -> u64 {
        self.words[0] + self.words[1]
    }

    /// What the system itself counts against a process: dirty, compressed and swapped memory.
    pub fn footprint_bytes(&self) -> u64 {
        self.words[7]
    }

    pub fn peak_footprint_bytes(&self) -> u64 {
        self.words[28]
    }
}

// What Apple's headers make of it.
const _: () = assert!(size_of::<RUsageInfo>() == 296);

unsafe extern "C" {
    fn proc_pid_rusage(pid: c_int, flavor: c_int, buffer: *mut RUsageInfo) -> c_int;
    fn proc_pidinfo(pid: c_int, flavor: c_int, argument: u64, buffer: *mut c_void, size: c_int) -> c_int;
    fn csops(pid: c_int, operation: c_uint, data: *mut c_void, size: usize) -> c_int;
    fn sandbox_check(pid: c_int, operation: *const c_char, filter: c_int, ...) -> c_int;
    fn mach_timebase_info(info: *mut [u32; 2]) -> c_int;
}

pub fn usage_of(pid: c_int) -> Option<RUsageInfo> {
    const RUSAGE_INFO_V4: c_int = 4;
    let mut info = RUsageInfo { identifier: [0; 16], words: [0; 35] };
    // SAFETY: a structure of that version.
    let result = unsafe { proc_pid_rusage(pid, RUSAGE_INFO_V4, &raw mut info) };
    (result == 0).then_some(info)
}

/// Ticks of the kernel's clock are 1 ns on Intel, 125/3 ns on Apple silicon.
pub fn nanoseconds(ticks: u64) -> u64 {
    let mut base = [1u32, 1];
    // SAFETY: two numbers, numerator and denominator.
    unsafe { mach_timebase_info(&raw mut base) };
    (u128::from(ticks) * u128::from(base[0]) / u128::from(base[1].max(1))) as u64
}

/// Stopped, a zombie, or gone.
pub fn stands_still(pid: c_int) -> bool {
    const PROC_PIDTBSDINFO: c_int = 3;
    const STATUS: usize = 1;
    const SSTOP: u32 = 4;
    // `struct proc_bsdinfo` has 136 bytes: flags, status, and what we do not want.
    let mut info = [0u32; 34];
    let size = size_of_val(&info) as c_int;
    // SAFETY: a buffer of that size.
    let read = unsafe { proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), size) };
    read < size || info[STATUS] >= SSTOP
}

/// The descriptors a process has; `None` when they cannot be seen.
pub fn descriptors_of(pid: c_int) -> Option<Vec<i32>> {
    const PROC_PIDLISTFDS: c_int = 1;
    // `struct proc_fdinfo`: number, and type.
    let mut list = [[0i32; 2]; 64];
    let size = size_of_val(&list) as c_int;
    // SAFETY: a buffer of that size.
    let read = unsafe { proc_pidinfo(pid, PROC_PIDLISTFDS, 0, list.as_mut_ptr().cast(), size) };
    let count = usize::try_from(read).ok()? / size_of::<[i32; 2]>();
    (count > 0).then(|| list[..count].iter().map(|[fd, _]| *fd).collect())
}

/// Whether the process is in a sandbox that denies the operation, whatever it is done to; without one, whether it is in any.
pub fn is_denied(pid: c_int, operation: Option<&CStr>) -> bool {
    const FILTER_NONE: c_int = 0;
    // SAFETY: a text or nothing, and no filter, so that no argument follows.
    unsafe { sandbox_check(pid, operation.map_or(null(), CStr::as_ptr), FILTER_NONE) == 1 }
}

/// Whether its code is signed for the hardened runtime.
pub fn is_hardened(pid: c_int) -> bool {
    const CS_OPS_STATUS: c_uint = 0;
    const CS_RUNTIME: u32 = 0x1_0000;
    let mut flags = 0u32;
    // SAFETY: a place for the flags.
    let result = unsafe { csops(pid, CS_OPS_STATUS, (&raw mut flags).cast(), size_of::<u32>()) };
    result == 0 && flags & CS_RUNTIME != 0
}
