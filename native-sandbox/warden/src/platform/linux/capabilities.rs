//! No capability, now or after an exec; no way to new ones.

use super::sys;
use std::io;

const PR_CAPBSET_DROP: i32 = 24;
const PR_SET_SECUREBITS: i32 = 28;
const PR_SET_NO_NEW_PRIVS: i32 = 38;
const PR_CAP_AMBIENT: i32 = 47;
const PR_CAP_AMBIENT_CLEAR_ALL: u64 = 4;
/// Root is nothing special, ids change no capabilities, none are kept; all of it locked.
const SECUREBITS: u64 = 0b1110_1111;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const MOST_CAPABILITIES: u64 = 64;

pub fn drop_all() -> io::Result<()> {
    // Without CAP_SETPCAP (no namespace of our own) neither can be done, nor is there anything to drop from.
    let has_power = sys::prctl_set(PR_SET_SECUREBITS, SECUREBITS, 0).is_ok();
    if has_power {
        for capability in 0..MOST_CAPABILITIES {
            // The first number the kernel does not know ends the list.
            if sys::prctl_set(PR_CAPBSET_DROP, capability, 0).is_err() {
                break;
            }
        }
    }
    sys::prctl_set(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    let header = [CAPABILITY_VERSION_3, 0];
    let nothing = [0u32; 6];
    // SAFETY: `struct __user_cap_header_struct` is two words, its data in version 3 twice three words.
    let result = unsafe { sys::syscall(sys::number::CAPSET, header.as_ptr(), nothing.as_ptr()) };
    sys::check(result).map(drop)
}

pub fn no_new_privileges() -> io::Result<()> {
    sys::prctl_set(PR_SET_NO_NEW_PRIVS, 1, 0)
}
