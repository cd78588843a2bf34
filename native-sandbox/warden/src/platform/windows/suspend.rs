//! Stops and continues a process.

use super::ffi;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

/// More than any processor's `CONTEXT` needs; 16-byte alignment is demanded.
#[repr(C, align(16))]
struct Context([u32; 512]);

/// Place of `ContextFlags` in words, and `CONTEXT_CONTROL`.
#[cfg(target_arch = "x86_64")]
const CONTROL: (usize, u32) = (0x30 / 4, 0x0010_0001);
#[cfg(target_arch = "aarch64")]
const CONTROL: (usize, u32) = (0, 0x0040_0001);

/// Returns when the main thread, on which a task runs, executes nothing any more.
pub fn stop(process: &OwnedHandle, thread: &OwnedHandle) -> io::Result<()> {
    // SAFETY: an open handle with every right.
    status(unsafe { ffi::NtSuspendProcess(process.as_raw_handle()) })?;
    let mut context = Box::new(Context([0; 512]));
    let (place, flags) = CONTROL;
    context.0[place] = flags;
    // Suspending is only asked for by the call above; a thread's registers can be read when it has come about.
    // SAFETY: an open handle and room for the registers. Fails for a thread that has ended.
    unsafe { ffi::GetThreadContext(thread.as_raw_handle(), (&raw mut *context).cast()) };
    Ok(())
}

pub fn go_on(process: &OwnedHandle) -> io::Result<()> {
    // SAFETY: an open handle with every right.
    status(unsafe { ffi::NtResumeProcess(process.as_raw_handle()) })
}

fn status(code: i32) -> io::Result<()> {
    if code < 0 { Err(io::Error::other(format!("NTSTATUS {code:#010x}"))) } else { Ok(()) }
}
