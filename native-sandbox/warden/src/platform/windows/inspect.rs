//! Looks at a process that runs nothing yet: which layers are really in force. What was asked for counts for nothing here.

use super::{ffi, sys};
use crate::report::Layer;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, OwnedHandle, RawHandle};
use std::ptr::null_mut;

const TOKEN_QUERY: u32 = 8;
/// `TOKEN_INFORMATION_CLASS`
const INTEGRITY_LEVEL: u32 = 25;
const IS_APP_CONTAINER: u32 = 29;
const CAPABILITIES: u32 = 30;
const APP_CONTAINER_SID: u32 = 31;
const IS_LESS_PRIVILEGED: u32 = 46;
/// `SECURITY_MANDATORY_LOW_RID`
const LOW_INTEGRITY: u32 = 0x1000;

/// `PROCESS_MITIGATION_POLICY`, and the bit that must be seen.
const NO_WIN32K: (u32, u32) = (4, 1);
const NO_CHILDREN: (u32, u32) = (13, 1);
const DYNAMIC_CODE: (u32, u32) = (2, 1);
const OTHERS: [(&str, u32, u32); 5] = [
    ("strict handle checks", 3, 1),
    ("no extension points", 6, 1),
    ("only Microsoft's libraries", 8, 1),
    ("no fonts", 9, 1),
    ("no remote images", 10, 1),
];

/// What the token and the process say of themselves.
pub fn layers(process: &OwnedHandle, container: ffi::Sid) -> Vec<Layer> {
    let process = process.as_raw_handle();
    let token = match token_of(process) {
        Ok(token) => token,
        Err(error) => return vec![Layer::missing("app-container", format!("cannot look at the token: {error}"))],
    };
    let yes = |name, holds: io::Result<bool>, how: &str| match holds {
        Ok(true) => Layer::enforced(name, how),
        Ok(false) => Layer::missing(name, "asked for, but not seen in force"),
        Err(error) => Layer::missing(name, format!("cannot look: {error}")),
    };
    let is_ours = || Ok(flag(&token, IS_APP_CONTAINER)? && has_sid(&token, container)?);
    let others = OTHERS.iter().filter(|(_, policy, bit)| !has_policy(process, (*policy, *bit)).unwrap_or(false));
    let absent: Vec<&str> = others.map(|(name, ..)| *name).collect();
    vec![
        yes("app-container", is_ours(), "of this task alone"),
        yes("less-privileged", flag(&token, IS_LESS_PRIVILEGED), "not in ALL APPLICATION PACKAGES"),
        yes("no-capabilities", first_number(&token, CAPABILITIES).map(|count| count == 0), ""),
        yes("low-integrity", integrity(&token).map(|level| level <= LOW_INTEGRITY), ""),
        yes("no-children", has_policy(process, NO_CHILDREN), "child process policy; one process in the job"),
        yes("no-win32k", has_policy(process, NO_WIN32K), "no window, desktop or graphics call"),
        if absent.is_empty() {
            Layer::enforced("mitigations", OTHERS.map(|(name, ..)| name).join(", "))
        } else {
            Layer::missing("mitigations", format!("not seen in force: {}", absent.join(", ")))
        },
    ]
}

/// Whether no code can be made or changed any more.
pub fn is_sealed(process: &OwnedHandle) -> bool {
    has_policy(process.as_raw_handle(), DYNAMIC_CODE).unwrap_or(false)
}

fn has_policy(process: RawHandle, (policy, bit): (u32, u32)) -> io::Result<bool> {
    let mut flags = 0u32;
    // SAFETY: an open handle, and a place for the four bytes that each of these policies has.
    sys::check(unsafe { ffi::GetProcessMitigationPolicy(process, policy, &raw mut flags, size_of::<u32>()) })?;
    Ok(flags & bit != 0)
}

fn token_of(process: RawHandle) -> io::Result<OwnedHandle> {
    let mut token = null_mut();
    // SAFETY: an open handle, and a place for another.
    sys::check(unsafe { ffi::OpenProcessToken(process, TOKEN_QUERY, &raw mut token) })?;
    sys::own(token)
}

/// Words of a token's information, aligned for the structures in it.
fn information(token: &OwnedHandle, class: u32) -> io::Result<Vec<u64>> {
    const MOST_WORDS: usize = 512;
    let mut words = vec![0u64; MOST_WORDS];
    let mut length = 0;
    // SAFETY: a buffer of that many bytes.
    sys::check(unsafe {
        let at = words.as_mut_ptr().cast();
        ffi::GetTokenInformation(token.as_raw_handle(), class, at, (MOST_WORDS * 8) as u32, &raw mut length)
    })?;
    Ok(words)
}

/// A DWORD, or the count in front of `TOKEN_GROUPS`.
fn first_number(token: &OwnedHandle, class: u32) -> io::Result<u32> {
    Ok(information(token, class)?[0] as u32)
}

fn flag(token: &OwnedHandle, class: u32) -> io::Result<bool> {
    Ok(first_number(token, class)? != 0)
}

/// The structures asked for begin with a pointer to a SID that lies behind them.
fn first_sid(words: &[u64]) -> io::Result<ffi::Sid> {
    let sid = words[0] as usize as ffi::Sid;
    if sid.is_null() { Err(io::ErrorKind::NotFound.into()) } else { Ok(sid) }
}

fn has_sid(token: &OwnedHandle, expected: ffi::Sid) -> io::Result<bool> {
    let words = information(token, APP_CONTAINER_SID)?;
    let sid = first_sid(&words)?;
    // SAFETY: two SIDs, the first inside `words`.
    Ok(unsafe { ffi::EqualSid(sid, expected) } != 0)
}

/// The last number of the label's SID.
fn integrity(token: &OwnedHandle) -> io::Result<u32> {
    let words = information(token, INTEGRITY_LEVEL)?;
    let sid = first_sid(&words)?;
    // SAFETY: a SID inside `words` that the kernel wrote; a label has at least one number.
    Ok(unsafe {
        let count = u32::from(*ffi::GetSidSubAuthorityCount(sid));
        *ffi::GetSidSubAuthority(sid, count.saturating_sub(1))
    })
}
