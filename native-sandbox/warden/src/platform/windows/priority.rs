//! Gives way to the person. Not by background mode: that also holds the working set at 32 MiB.

use super::job::IDLE_PRIORITY_CLASS;
use super::{ffi, sys};
use crate::report::Layer;
use std::io;
use std::mem::size_of_val;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

/// `PROCESS_INFORMATION_CLASS`
const MEMORY_PRIORITY: u32 = 0;
const POWER_THROTTLING: u32 = 4;
/// `MEMORY_PRIORITY_VERY_LOW`
const VERY_LOW: u32 = 1;
/// `PROCESS_POWER_THROTTLING_EXECUTION_SPEED`
const EXECUTION_SPEED: u32 = 1;

pub fn lower(process: &OwnedHandle) -> [Layer; 3] {
    let said = |name, result: io::Result<()>, how: &str| match result {
        Ok(()) => Layer::enforced(name, how),
        Err(error) => Layer::missing(name, error.to_string()),
    };
    // SAFETY: an open handle.
    let class = unsafe { ffi::GetPriorityClass(process.as_raw_handle()) };
    let is_idle = if class == IDLE_PRIORITY_CLASS {
        Ok(())
    } else {
        Err(io::Error::other(format!("class {class:#x} was seen")))
    };
    let throttling = ffi::PowerThrottling { version: 1, control: EXECUTION_SPEED, state: EXECUTION_SPEED };
    [
        said("idle-priority", is_idle, "held by the job"),
        said("memory-priority", set(process, MEMORY_PRIORITY, &VERY_LOW), "very low: its pages go first"),
        said("power-throttling", set(process, POWER_THROTTLING, &throttling), "efficient cores and clocks"),
    ]
}

fn set<T>(process: &OwnedHandle, class: u32, value: &T) -> io::Result<()> {
    let (at, size) = (std::ptr::from_ref(value).cast(), size_of_val(value) as u32);
    // SAFETY: the structure that belongs to the class, with its size.
    sys::check(unsafe { ffi::SetProcessInformation(process.as_raw_handle(), class, at, size) })
}
