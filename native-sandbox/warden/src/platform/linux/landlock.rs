//! Landlock with every right handled and as good as none given: to start the runner's own program, and to read the files
//! that were listed for it.

use super::sys;
use std::io;
use std::os::fd::RawFd;

const CREATE_RULESET_VERSION: u64 = 1;
const RULE_PATH_BENEATH: u64 = 1;
const EXECUTE: u64 = 1;
const READ_FILE: u64 = 4;

#[repr(C)]
struct Ruleset {
    handled_files: u64,
    handled_network: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// Version of Landlock's interface, or the error when the kernel has none.
pub fn version() -> io::Result<u32> {
    sys::call(sys::number::LANDLOCK_CREATE_RULESET, 0, 0, CREATE_RULESET_VERSION).map(|version| version as u32)
}

/// Rights of `version`: files, TCP, scopes (signals, abstract sockets). A newer version has at least those of 7.
fn ruleset(version: u32) -> (Ruleset, usize) {
    let file_rights = match version {
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    let rights = Ruleset {
        handled_files: (1 << file_rights) - 1,
        handled_network: if version >= 4 { 0b11 } else { 0 },
        scoped: if version >= 6 { 0b11 } else { 0 },
    };
    let size = match version {
        1..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    (rights, size)
}

/// Denies this process everything Landlock knows, except to execute `program` and to read `files`, or to execute those that
/// come with `true`. No-new-privileges must be set.
pub fn deny_all(program: RawFd, files: impl Iterator<Item = (RawFd, bool)>) -> io::Result<u32> {
    let version = version()?;
    let (rights, size) = ruleset(version);
    // SAFETY: the structure is at least `size` bytes, which is what this version knows.
    let fd = unsafe { sys::syscall(sys::number::LANDLOCK_CREATE_RULESET, &raw const rights, size, 0u64) };
    let fd = sys::check(fd)?;
    for (file, executes) in std::iter::once((program, true)).chain(files) {
        let rule = PathBeneath { allowed: if executes { EXECUTE | READ_FILE } else { READ_FILE }, parent: file };
        // SAFETY: a rule of the type that the number before it names.
        let added =
            unsafe { sys::syscall(sys::number::LANDLOCK_ADD_RULE, fd, RULE_PATH_BENEATH, &raw const rule, 0u64) };
        sys::check(added)?;
    }
    sys::call(sys::number::LANDLOCK_RESTRICT_SELF, fd as u64, 0, 0)?;
    sys::call(i64::from(askee_filter::sysno::CLOSE), fd as u64, 0, 0)?;
    Ok(version)
}
