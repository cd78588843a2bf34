//! An AppContainer without capabilities: a token that may open next to nothing, and no network.

use super::command_line::wide;
use super::ffi;
use std::io;
use std::ptr::{null, null_mut};

/// `HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS)`
const ALREADY_EXISTS: i32 = 0x8007_00b7_u32 as i32;

/// Registered for this user as long as it lives. One that a killed warden left is taken over by the next with its name.
pub struct AppContainer {
    name: Vec<u16>,
    pub sid: ffi::Sid,
}

impl AppContainer {
    /// A container of one's own for every task and every compiler keeps them from each other: the name carries our process id.
    pub fn create(purpose: &str) -> io::Result<Self> {
        let name = wide(&format!("Askee.{purpose}.{}", std::process::id())).ok_or(io::ErrorKind::InvalidInput)?;
        let mut sid = null_mut();
        // SAFETY: texts that end with NUL, no capability, and a place for the SID.
        let mut result = unsafe {
            let text = name.as_ptr();
            ffi::CreateAppContainerProfile(text, text, text, null(), 0, &raw mut sid)
        };
        if result == ALREADY_EXISTS {
            // SAFETY: as above.
            result = unsafe { ffi::DeriveAppContainerSidFromAppContainerName(name.as_ptr(), &raw mut sid) };
        }
        if result < 0 || sid.is_null() {
            return Err(io::Error::other(format!("AppContainer profile: {result:#010x}")));
        }
        Ok(Self { name, sid })
    }
}

impl Drop for AppContainer {
    fn drop(&mut self) {
        // SAFETY: the SID and the name are ours; nothing runs under them any more.
        unsafe {
            ffi::FreeSid(self.sid);
            ffi::DeleteAppContainerProfile(self.name.as_ptr());
        }
    }
}
