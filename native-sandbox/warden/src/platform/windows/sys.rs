//! Handles, pipes and the control page.

use super::ffi;
use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};
use std::sync::atomic::AtomicU32;

const HANDLE_FLAG_INHERIT: u32 = 1;
const PAGE_READWRITE: u32 = 4;
const FILE_MAP_WRITE: u32 = 2;
const FILE_MAP_READ: u32 = 4;
const PAGE_BYTES: u32 = 4096;
const INVALID_HANDLE: RawHandle = -1isize as RawHandle;
const ALL_PROCESSOR_GROUPS: u16 = 0xffff;
pub const INFINITE: u32 = u32::MAX;
const DUPLICATE_SAME_ACCESS: u32 = 2;

/// What a call says of itself by a `BOOL`.
pub fn check(result: ffi::Bool) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A handle that a call returned, 0 for failure.
pub fn own(handle: RawHandle) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just created for us, and nobody else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Reading and writing end; neither is inherited.
pub fn pipe() -> io::Result<(OwnedHandle, OwnedHandle)> {
    const BUFFER_BYTES: u32 = 64 * 1024;
    let (mut read, mut write) = (null_mut(), null_mut());
    // SAFETY: two places for handles.
    check(unsafe { ffi::CreatePipe(&raw mut read, &raw mut write, null(), BUFFER_BYTES) })?;
    Ok((own(read)?, own(write)?))
}

pub fn let_inherit(handle: &OwnedHandle) -> io::Result<()> {
    // SAFETY: an open handle.
    check(unsafe { ffi::SetHandleInformation(handle.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) })
}

/// Another handle to the same object. Without `access` it may do the same.
pub fn duplicate(handle: RawHandle, access: Option<u32>) -> io::Result<OwnedHandle> {
    let options = if access.is_none() { DUPLICATE_SAME_ACCESS } else { 0 };
    let mut copy = null_mut();
    // SAFETY: this process's own handles.
    check(unsafe {
        let this = ffi::GetCurrentProcess();
        ffi::DuplicateHandle(this, handle, this, &raw mut copy, access.unwrap_or(0), 0, options)
    })?;
    own(copy)
}

/// The page a runner reads: how many tenths of a second it ran, and whether it shall stop between two steps.
pub struct ControlPage {
    /// May only read.
    pub for_runner: OwnedHandle,
    pub ticks: &'static AtomicU32,
    pub suspend: &'static AtomicU32,
}

impl ControlPage {
    pub fn create() -> io::Result<Self> {
        // SAFETY: memory of the page file, without a name.
        let mapping = own(unsafe {
            ffi::CreateFileMappingW(INVALID_HANDLE, null(), PAGE_READWRITE, 0, PAGE_BYTES, null())
        })?;
        // SAFETY: a mapping of that size.
        let page = unsafe {
            ffi::MapViewOfFile(mapping.as_raw_handle(), FILE_MAP_WRITE | FILE_MAP_READ, 0, 0, PAGE_BYTES as usize)
        };
        if page.is_null() {
            return Err(io::Error::last_os_error());
        }
        let page = page.cast::<u32>();
        // SAFETY: mapped until the process ends and aligned; the runner can only read it.
        let (ticks, suspend) = unsafe { (AtomicU32::from_ptr(page), AtomicU32::from_ptr(page.add(1))) };
        Ok(Self { for_runner: duplicate(mapping.as_raw_handle(), Some(FILE_MAP_READ))?, ticks, suspend })
    }
}

/// Of all groups.
pub fn processors() -> u32 {
    // SAFETY: takes a number.
    unsafe { ffi::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) }.max(1)
}

/// Returns when the process ended.
pub fn wait_for(process: &OwnedHandle) {
    // SAFETY: an open handle.
    unsafe { ffi::WaitForSingleObject(process.as_raw_handle(), INFINITE) };
}

/// Its exit code, once it has ended.
pub fn exit_code(process: &OwnedHandle) -> Option<u32> {
    const HAS_ENDED: u32 = 0;
    let mut code = 0;
    // SAFETY: an open handle, and a place for a number.
    let read = unsafe {
        ffi::WaitForSingleObject(process.as_raw_handle(), 0) == HAS_ENDED
            && ffi::GetExitCodeProcess(process.as_raw_handle(), &raw mut code) != 0
    };
    read.then_some(code)
}

/// Where every process may stand: the system's own directory.
pub fn system_directory() -> io::Result<Vec<u16>> {
    let mut buffer = vec![0u16; 300];
    // SAFETY: a buffer of that length.
    let length = unsafe { ffi::GetSystemDirectoryW(buffer.as_mut_ptr(), buffer.len() as u32) } as usize;
    if length == 0 || length >= buffer.len() {
        return Err(io::Error::last_os_error());
    }
    buffer.truncate(length + 1);
    Ok(buffer)
}

pub fn file(handle: OwnedHandle) -> File {
    File::from(handle)
}
