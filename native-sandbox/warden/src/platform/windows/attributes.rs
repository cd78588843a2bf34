//! What `CreateProcessW` is told beyond its parameters.

use super::{ffi, sys};
use std::ffi::c_void;
use std::io;
use std::mem::size_of;
use std::os::windows::io::RawHandle;
use std::ptr::null_mut;

/// `PROC_THREAD_ATTRIBUTE_…`: number, and the bit of an input.
const INPUT: usize = 0x0002_0000;
const HANDLE_LIST: usize = INPUT | 2;
const MITIGATION_POLICY: usize = INPUT | 7;
const SECURITY_CAPABILITIES: usize = INPUT | 9;
const CHILD_PROCESS_POLICY: usize = INPUT | 14;
const ALL_APPLICATION_PACKAGES_POLICY: usize = INPUT | 15;
const COUNT: u32 = 5;

const CHILD_PROCESS_RESTRICTED: u32 = 1;
const ALL_APPLICATION_PACKAGES_OPT_OUT: u32 = 1;

/// `PROCESS_CREATION_MITIGATION_POLICY_…_ALWAYS_ON` of Windows 10 and later. Prohibiting dynamic code comes later: the
/// runner does it when the task's code is mapped.
mod mitigation {
    pub const DEP: u64 = 1;
    pub const SEHOP: u64 = 1 << 2;
    pub const FORCE_RELOCATE: u64 = 1 << 8;
    pub const HEAP_TERMINATE: u64 = 1 << 12;
    pub const BOTTOM_UP_ASLR: u64 = 1 << 16;
    pub const HIGH_ENTROPY_ASLR: u64 = 1 << 20;
    pub const STRICT_HANDLE_CHECKS: u64 = 1 << 24;
    pub const NO_WIN32K: u64 = 1 << 28;
    pub const NO_EXTENSION_POINTS: u64 = 1 << 32;
    pub const ONLY_MICROSOFT_LIBRARIES: u64 = 1 << 44;
    pub const NO_FONTS: u64 = 1 << 48;
    pub const NO_REMOTE_IMAGES: u64 = 1 << 52;
    pub const NO_LOW_LABEL_IMAGES: u64 = 1 << 56;
    pub const PREFER_SYSTEM_IMAGES: u64 = 1 << 60;
}

pub const MITIGATIONS: u64 = mitigation::DEP
    | mitigation::SEHOP
    | mitigation::FORCE_RELOCATE
    | mitigation::HEAP_TERMINATE
    | mitigation::BOTTOM_UP_ASLR
    | mitigation::HIGH_ENTROPY_ASLR
    | mitigation::STRICT_HANDLE_CHECKS
    | mitigation::NO_WIN32K
    | mitigation::NO_EXTENSION_POINTS
    | mitigation::ONLY_MICROSOFT_LIBRARIES
    | mitigation::NO_FONTS
    | mitigation::NO_REMOTE_IMAGES
    | mitigation::NO_LOW_LABEL_IMAGES
    | mitigation::PREFER_SYSTEM_IMAGES;

/// The values that a list points to. They must outlive it and not move.
pub struct Values {
    pub handles: Vec<RawHandle>,
    pub capabilities: ffi::SecurityCapabilities,
    mitigations: u64,
    child_policy: u32,
    packages_policy: u32,
}

impl Values {
    /// A less privileged AppContainer that inherits these handles alone, and may have no children.
    pub fn new(handles: Vec<RawHandle>, container: ffi::Sid) -> Self {
        let capabilities =
            ffi::SecurityCapabilities { container, capabilities: null_mut(), count: 0, reserved: 0 };
        Self {
            handles,
            capabilities,
            mitigations: MITIGATIONS,
            child_policy: CHILD_PROCESS_RESTRICTED,
            packages_policy: ALL_APPLICATION_PACKAGES_OPT_OUT,
        }
    }
}

/// `LPPROC_THREAD_ATTRIBUTE_LIST`
pub struct AttributeList<'a> {
    /// Words, for the alignment.
    memory: Vec<u64>,
    values: std::marker::PhantomData<&'a Values>,
}

impl<'a> AttributeList<'a> {
    pub fn new(values: &'a Values) -> io::Result<Self> {
        let mut bytes = 0;
        // SAFETY: asks for the size; this call always "fails".
        unsafe { ffi::InitializeProcThreadAttributeList(null_mut(), COUNT, 0, &raw mut bytes) };
        let mut memory = vec![0u64; bytes.div_ceil(size_of::<u64>())];
        // SAFETY: memory of the size it asked for.
        sys::check(unsafe {
            ffi::InitializeProcThreadAttributeList(memory.as_mut_ptr().cast(), COUNT, 0, &raw mut bytes)
        })?;
        let mut list = Self { memory, values: std::marker::PhantomData };
        list.set(HANDLE_LIST, values.handles.as_slice())?;
        list.set(SECURITY_CAPABILITIES, &values.capabilities)?;
        list.set(MITIGATION_POLICY, &values.mitigations)?;
        list.set(CHILD_PROCESS_POLICY, &values.child_policy)?;
        list.set(ALL_APPLICATION_PACKAGES_POLICY, &values.packages_policy)?;
        Ok(list)
    }

    fn set<T: ?Sized>(&mut self, attribute: usize, value: &'a T) -> io::Result<()> {
        let at = std::ptr::from_ref(value).cast::<c_void>();
        // SAFETY: the list is initialised; the value lives as long as the list and has the size that is said.
        sys::check(unsafe {
            ffi::UpdateProcThreadAttribute(
                self.as_ptr(),
                0,
                attribute,
                at,
                size_of_val(value),
                null_mut(),
                null_mut(),
            )
        })
    }

    pub fn as_ptr(&mut self) -> *mut c_void {
        self.memory.as_mut_ptr().cast()
    }
}

impl Drop for AttributeList<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and deleted once.
        unsafe { ffi::DeleteProcThreadAttributeList(self.as_ptr()) };
    }
}
