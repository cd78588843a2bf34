//! A Job Object around one process.

use super::limits::JobLimits;
use super::{ffi, sys};
use std::ffi::c_void;
use std::io;
use std::mem::{size_of, size_of_val};
use std::os::windows::io::{AsRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};

/// `JOBOBJECTINFOCLASS`
const BASIC_ACCOUNTING: u32 = 1;
const UI_RESTRICTIONS: u32 = 4;
const COMPLETION_PORT: u32 = 7;
const EXTENDED_LIMITS: u32 = 9;
const CPU_RATE_CONTROL: u32 = 15;
const CPU_RATE_ENABLE: u32 = 1;
const CPU_RATE_HARD_CAP: u32 = 4;
/// Handles of others, clipboard, settings, atoms, desktops, ending Windows.
const EVERY_UI_RESTRICTION: u32 = 0xff;
pub const IDLE_PRIORITY_CLASS: u32 = 0x40;
const MESSAGE_PROCESS_MEMORY_LIMIT: u32 = 9;
const MESSAGE_JOB_MEMORY_LIMIT: u32 = 10;
/// What a process says that we ended.
pub const KILLED: u32 = 0x4b49_4c4c;

/// Its handle is not inherited and has no name: when the warden is gone, so is the process inside.
pub struct Job {
    handle: OwnedHandle,
    /// Where the kernel says which limit was met.
    port: OwnedHandle,
}

impl Job {
    /// # Errors
    /// The kernel takes none, or not the hard limits.
    pub fn create(limits: &JobLimits) -> io::Result<Self> {
        // SAFETY: neither attributes nor a name.
        let handle = sys::own(unsafe { ffi::CreateJobObjectW(null(), null()) })?;
        // SAFETY: a port of its own, not of a file.
        let port = sys::own(unsafe { ffi::CreateIoCompletionPort(-1isize as RawHandle, null_mut(), 0, 1) })?;
        let job = Self { handle, port };
        let mut extended = ffi::ExtendedLimits::default();
        extended.basic.flags = limits.flags;
        extended.basic.active_processes = 1;
        extended.basic.priority_class = IDLE_PRIORITY_CLASS;
        extended.basic.process_user_time = limits.user_time.unwrap_or(0);
        (extended.process_memory, extended.job_memory) = (limits.memory_bytes, limits.memory_bytes);
        job.set(EXTENDED_LIMITS, &extended)?;
        job.set(COMPLETION_PORT, &ffi::JobPort { key: null_mut(), port: job.port.as_raw_handle() })?;
        Ok(job)
    }

    /// Refused where an outer job already has a rate.
    pub fn cap_cpu(&self, rate: u32) -> io::Result<()> {
        self.set(CPU_RATE_CONTROL, &ffi::CpuRate { flags: CPU_RATE_ENABLE | CPU_RATE_HARD_CAP, rate })?;
        let mut seen = ffi::CpuRate::default();
        self.get(CPU_RATE_CONTROL, &mut seen)?;
        let is_so = seen.rate == rate && seen.flags & CPU_RATE_HARD_CAP != 0;
        if is_so { Ok(()) } else { Err(io::Error::other("set, but not seen in force")) }
    }

    /// Refused inside a chain of jobs.
    pub fn restrict_ui(&self) -> io::Result<()> {
        self.set(UI_RESTRICTIONS, &EVERY_UI_RESTRICTION)
    }

    /// Puts a process in, and looks whether it is there under the limits asked for.
    pub fn take(&self, process: RawHandle, limits: &JobLimits) -> io::Result<()> {
        // SAFETY: two open handles.
        sys::check(unsafe { ffi::AssignProcessToJobObject(self.handle.as_raw_handle(), process) })?;
        let mut is_inside = 0;
        // SAFETY: two open handles and a place for the answer.
        sys::check(unsafe { ffi::IsProcessInJob(process, self.handle.as_raw_handle(), &raw mut is_inside) })?;
        let mut seen = ffi::ExtendedLimits::default();
        self.get(EXTENDED_LIMITS, &mut seen)?;
        let holds = is_inside != 0
            && seen.basic.flags & limits.flags == limits.flags
            && seen.basic.active_processes == 1
            && seen.job_memory <= limits.memory_bytes;
        if holds { Ok(()) } else { Err(io::Error::other("set, but not seen in force")) }
    }

    /// Processor time so far in units of 100 ns, also of processes that ended.
    pub fn processor_time(&self) -> u64 {
        let mut accounting = ffi::Accounting::default();
        match self.get(BASIC_ACCOUNTING, &mut accounting) {
            Ok(()) => (accounting.user_time + accounting.kernel_time).unsigned_abs(),
            Err(_) => 0,
        }
    }

    /// Whether the kernel refused it memory since the last call.
    pub fn met_memory_limit(&self) -> bool {
        let (mut message, mut key, mut process) = (0u32, 0usize, null_mut());
        let mut has_met = false;
        // SAFETY: an open port and three places for the answer; it does not wait.
        while unsafe {
            let port = self.port.as_raw_handle();
            ffi::GetQueuedCompletionStatus(port, &raw mut message, &raw mut key, &raw mut process, 0) != 0
        } {
            has_met |= matches!(message, MESSAGE_PROCESS_MEMORY_LIMIT | MESSAGE_JOB_MEMORY_LIMIT);
        }
        has_met
    }

    pub fn kill(&self) {
        // SAFETY: an open handle. It fails only when nothing is left to end.
        unsafe { ffi::TerminateJobObject(self.handle.as_raw_handle(), KILLED) };
    }

    fn set<T>(&self, class: u32, value: &T) -> io::Result<()> {
        let at = std::ptr::from_ref(value).cast::<c_void>();
        // SAFETY: the structure that belongs to the class, with its size.
        sys::check(unsafe {
            ffi::SetInformationJobObject(self.handle.as_raw_handle(), class, at, size_of_val(value) as u32)
        })
    }

    fn get<T>(&self, class: u32, value: &mut T) -> io::Result<()> {
        let at = std::ptr::from_mut(value).cast::<c_void>();
        // SAFETY: the structure that belongs to the class, with its size; any bits are a value of it.
        sys::check(unsafe {
            ffi::QueryInformationJobObject(
                self.handle.as_raw_handle(),
                class,
                at,
                size_of::<T>() as u32,
                null_mut(),
            )
        })
    }
}
