//! What lies outside and an attempt tries to reach. The warden of a test build draws a token for every run and makes these
//! things under it, so that runs at the same time do not meet.

use std::ffi::CString;
use std::sync::OnceLock;

static TOKEN: OnceLock<u64> = OnceLock::new();

/// Takes the token in hexadecimal; false when it is none.
pub fn take_token(text: &str) -> bool {
    u64::from_str_radix(text, 16).is_ok_and(|token| TOKEN.set(token).is_ok())
}

fn token() -> u64 {
    TOKEN.get().copied().unwrap_or(0)
}

/// Of a file that nobody else has.
pub fn path(what: &str) -> CString {
    CString::new(format!("/tmp/askee-escape-{:016x}-{what}", token())).unwrap_or_default()
}

/// Of the abstract socket on which the warden listens, after its leading zero.
pub fn socket_name() -> String {
    format!("askee-escape-{:016x}", token())
}

/// Of the warden's System V shared memory.
pub fn memory_key() -> u64 {
    token() & 0x7fff_ffff
}
