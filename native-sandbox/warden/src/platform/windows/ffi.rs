//! Calls and structures of Windows, declared by hand as winnt.h, processthreadsapi.h and userenv.h write them.

use std::ffi::c_void;
use std::os::windows::io::RawHandle;

pub type Bool = i32;
/// `PSID`
pub type Sid = *mut c_void;

#[repr(C)]
pub struct SecurityAttributes {
    pub length: u32,
    pub descriptor: *mut c_void,
    pub inherit: Bool,
}

#[repr(C)]
pub struct StartupInfo {
    pub size: u32,
    pub reserved: *mut u16,
    pub desktop: *mut u16,
    pub title: *mut u16,
    /// x, y, width, height, columns, rows, colours
    pub window: [u32; 7],
    pub flags: u32,
    pub show: u16,
    pub reserved_bytes: u16,
    pub reserved_pointer: *mut u8,
    pub input: RawHandle,
    pub output: RawHandle,
    pub error: RawHandle,
}

/// `STARTUPINFOEXW`
#[repr(C)]
pub struct StartupInfoEx {
    pub info: StartupInfo,
    pub attributes: *mut c_void,
}

#[repr(C)]
pub struct ProcessInformation {
    pub process: RawHandle,
    pub thread: RawHandle,
    pub process_id: u32,
    pub thread_id: u32,
}

#[repr(C)]
pub struct SecurityCapabilities {
    pub container: Sid,
    pub capabilities: *mut c_void,
    pub count: u32,
    pub reserved: u32,
}

/// `JOBOBJECT_BASIC_LIMIT_INFORMATION`
#[repr(C)]
#[derive(Default)]
pub struct BasicLimits {
    pub process_user_time: i64,
    pub job_user_time: i64,
    pub flags: u32,
    pub minimum_working_set: usize,
    pub maximum_working_set: usize,
    pub active_processes: u32,
    pub affinity: usize,
    pub priority_class: u32,
    pub scheduling_class: u32,
}

/// `JOBOBJECT_EXTENDED_LIMIT_INFORMATION`
#[repr(C)]
#[derive(Default)]
pub struct ExtendedLimits {
    pub basic: BasicLimits,
    pub io: [u64; 6],
    pub process_memory: usize,
    pub job_memory: usize,
    pub peak_process_memory: usize,
    pub peak_job_memory: usize,
}

/// `JOBOBJECT_BASIC_ACCOUNTING_INFORMATION`; times in units of 100 ns.
#[repr(C)]
#[derive(Default)]
pub struct Accounting {
    pub user_time: i64,
    pub kernel_time: i64,
    pub period_user_time: i64,
    pub period_kernel_time: i64,
    pub page_faults: u32,
    pub processes: u32,
    pub active_processes: u32,
    pub terminated_processes: u32,
}

/// `JOBOBJECT_CPU_RATE_CONTROL_INFORMATION`
#[repr(C)]
#[derive(Default)]
pub struct CpuRate {
    pub flags: u32,
    pub rate: u32,
}

/// `JOBOBJECT_ASSOCIATE_COMPLETION_PORT`
#[repr(C)]
pub struct JobPort {
    pub key: *mut c_void,
    pub port: RawHandle,
}

/// `PROCESS_MEMORY_COUNTERS`
#[repr(C)]
#[derive(Default)]
pub struct MemoryCounters {
    pub size: u32,
    pub page_faults: u32,
    pub peak_working_set: usize,
    pub working_set: usize,
    pub rest: [usize; 6],
}

/// `PROCESS_POWER_THROTTLING_STATE`
#[repr(C)]
pub struct PowerThrottling {
    pub version: u32,
    pub control: u32,
    pub state: u32,
}

// What winnt.h makes of them for 64 bits.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<StartupInfoEx>() == 112 && size_of::<ProcessInformation>() == 24);
    assert!(size_of::<SecurityCapabilities>() == 24 && size_of::<MemoryCounters>() == 72);
    assert!(size_of::<ExtendedLimits>() == 144 && size_of::<Accounting>() == 48);
};

#[link(name = "kernel32")]
unsafe extern "system" {
    pub fn AssignProcessToJobObject(job: RawHandle, process: RawHandle) -> Bool;
    pub fn CreateFileMappingW(
        file: RawHandle,
        attributes: *const SecurityAttributes,
        protection: u32,
        size_high: u32,
        size_low: u32,
        name: *const u16,
    ) -> RawHandle;
    pub fn CreateIoCompletionPort(file: RawHandle, port: RawHandle, key: usize, threads: u32) -> RawHandle;
    pub fn CreateJobObjectW(attributes: *const SecurityAttributes, name: *const u16) -> RawHandle;
    pub fn CreatePipe(
        read: *mut RawHandle,
        write: *mut RawHandle,
        attributes: *const SecurityAttributes,
        size: u32,
    ) -> Bool;
    pub fn CreateProcessW(
        application: *const u16,
        command_line: *mut u16,
        process_attributes: *const SecurityAttributes,
        thread_attributes: *const SecurityAttributes,
        inherit: Bool,
        flags: u32,
        environment: *const u16,
        directory: *const u16,
        startup: *const StartupInfoEx,
        information: *mut ProcessInformation,
    ) -> Bool;
    pub fn DeleteProcThreadAttributeList(list: *mut c_void);
    pub fn DuplicateHandle(
        source_process: RawHandle,
        source: RawHandle,
        target_process: RawHandle,
        target: *mut RawHandle,
        access: u32,
        inherit: Bool,
        options: u32,
    ) -> Bool;
    pub fn GetActiveProcessorCount(group: u16) -> u32;
    pub fn GetCurrentProcess() -> RawHandle;
    pub fn GetExitCodeProcess(process: RawHandle, code: *mut u32) -> Bool;
    pub fn GetPriorityClass(process: RawHandle) -> u32;
    pub fn GetProcessMitigationPolicy(process: RawHandle, policy: u32, buffer: *mut u32, length: usize) -> Bool;
    pub fn GetQueuedCompletionStatus(
        port: RawHandle,
        bytes: *mut u32,
        key: *mut usize,
        overlapped: *mut *mut c_void,
        milliseconds: u32,
    ) -> Bool;
    pub fn GetSystemDirectoryW(buffer: *mut u16, length: u32) -> u32;
    pub fn GetThreadContext(thread: RawHandle, context: *mut c_void) -> Bool;
    pub fn InitializeProcThreadAttributeList(list: *mut c_void, count: u32, flags: u32, size: *mut usize) -> Bool;
    pub fn IsProcessInJob(process: RawHandle, job: RawHandle, result: *mut Bool) -> Bool;
    pub fn K32GetProcessMemoryInfo(process: RawHandle, counters: *mut MemoryCounters, size: u32) -> Bool;
    pub fn MapViewOfFile(mapping: RawHandle, access: u32, high: u32, low: u32, size: usize) -> *mut c_void;
    pub fn QueryInformationJobObject(
        job: RawHandle,
        class: u32,
        information: *mut c_void,
        length: u32,
        returned: *mut u32,
    ) -> Bool;
    pub fn ResumeThread(thread: RawHandle) -> u32;
    pub fn SetHandleInformation(handle: RawHandle, mask: u32, flags: u32) -> Bool;
    pub fn SetInformationJobObject(job: RawHandle, class: u32, information: *const c_void, length: u32) -> Bool;
    pub fn SetProcessInformation(process: RawHandle, class: u32, information: *const c_void, length: u32) -> Bool;
    pub fn TerminateJobObject(job: RawHandle, code: u32) -> Bool;
    pub fn TerminateProcess(process: RawHandle, code: u32) -> Bool;
    pub fn UpdateProcThreadAttribute(
        list: *mut c_void,
        flags: u32,
        attribute: usize,
        value: *const c_void,
        size: usize,
        previous: *mut c_void,
        returned: *mut usize,
    ) -> Bool;
    pub fn WaitForSingleObject(handle: RawHandle, milliseconds: u32) -> u32;
}

#[link(name = "advapi32")]
unsafe extern "system" {
    pub fn EqualSid(one: Sid, other: Sid) -> Bool;
    pub fn FreeSid(sid: Sid) -> *mut c_void;
    pub fn GetSidSubAuthority(sid: Sid, index: u32) -> *const u32;
    pub fn GetSidSubAuthorityCount(sid: Sid) -> *const u8;
    pub fn GetTokenInformation(
        token: RawHandle,
        class: u32,
        information: *mut c_void,
        length: u32,
        returned: *mut u32,
    ) -> Bool;
    pub fn OpenProcessToken(process: RawHandle, access: u32, token: *mut RawHandle) -> Bool;
}

#[link(name = "userenv")]
unsafe extern "system" {
    pub fn CreateAppContainerProfile(
        name: *const u16,
        display_name: *const u16,
        description: *const u16,
        capabilities: *const c_void,
        count: u32,
        sid: *mut Sid,
    ) -> i32;
    pub fn DeleteAppContainerProfile(name: *const u16) -> i32;
    pub fn DeriveAppContainerSidFromAppContainerName(name: *const u16, sid: *mut Sid) -> i32;
}

#[link(name = "ntdll")]
unsafe extern "system" {
    pub fn NtResumeProcess(process: RawHandle) -> i32;
    pub fn NtSuspendProcess(process: RawHandle) -> i32;
}
