//! Dynamic code: what was compiled is mapped; from here on no page becomes executable, and none that is can be written.
//! Everything else was taken by the warden before the first instruction.

use std::ffi::c_void;

/// `ProcessDynamicCodePolicy`
const DYNAMIC_CODE_POLICY: u32 = 2;
const PROHIBIT_DYNAMIC_CODE: u32 = 1;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn SetProcessMitigationPolicy(policy: u32, buffer: *const u32, length: usize) -> i32;
    fn GetCurrentProcess() -> *mut c_void;
    fn GetProcessMitigationPolicy(process: *mut c_void, policy: u32, buffer: *mut u32, length: usize) -> i32;
}

/// The code of a task is made executable when its module is loaded, which is over by now. The warden looks whether this holds.
pub fn for_task() -> Result<(), String> {
    prohibit_dynamic_code()
}

/// A compiler writes code and never runs it.
pub fn for_compiling() -> Result<(), String> {
    prohibit_dynamic_code()
}

fn prohibit_dynamic_code() -> Result<(), String> {
    let wanted = PROHIBIT_DYNAMIC_CODE;
    // SAFETY: the four bytes of this policy. There is no way back from it.
    let is_set = unsafe { SetProcessMitigationPolicy(DYNAMIC_CODE_POLICY, &raw const wanted, size_of::<u32>()) };
    let mut seen = 0u32;
    // SAFETY: this process, and a place for four bytes.
    let is_seen = unsafe {
        GetProcessMitigationPolicy(GetCurrentProcess(), DYNAMIC_CODE_POLICY, &raw mut seen, size_of::<u32>())
    };
    if is_set != 0 && is_seen != 0 && seen & PROHIBIT_DYNAMIC_CODE != 0 {
        return Ok(());
    }
    Err(format!("no dynamic code: {}", std::io::Error::last_os_error()))
}
