//! New namespaces of the kernel for the work, and whom its user is outside.

use super::sys;
use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

const NEW_NAMESPACES: u64 = 0x1000_0000 // user
    | 0x2000_0000 // process ids
    | 0x0002_0000 // mounts
    | 0x4000_0000 // network
    | 0x0800_0000 // System V and POSIX message queues
    | 0x0400_0000 // host name
    | 0x0200_0000; // cgroup
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const SIGCHLD: u64 = 17;
/// Whom the work is when we are root: nobody.
const NOBODY: u32 = 65_534;

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What a fork gave its caller.
pub enum Forked {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

/// Forks into new namespaces (or none, with `separate` false) and, where given, into a cgroup.
///
/// The caller must have one thread: the child runs on a copy of it.
pub fn fork(separate: bool, cgroup: Option<RawFd>) -> io::Result<Forked> {
    let mut pidfd: i32 = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD | if separate { NEW_NAMESPACES } else { 0 },
        pidfd: &raw mut pidfd as u64,
        exit_signal: SIGCHLD,
        ..CloneArgs::default()
    };
    if let Some(fd) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = fd as u64;
    }
    // SAFETY: no CLONE_VM and no new stack: as fork(2). The structure is of the size said; `pidfd` lives through it.
    let pid = unsafe { sys::syscall(sys::number::CLONE3, &raw const args, size_of::<CloneArgs>()) };
    match sys::check(pid)? {
        0 => Ok(Forked::Child),
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok(Forked::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// Maps one user and one group. Root maps the work to nobody, everyone else to themselves.
pub fn map_identity(pid: i32) -> io::Result<()> {
    let outside = |own: u32| if sys::user_id() == 0 { NOBODY } else { own };
    fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    fs::write(format!("/proc/{pid}/uid_map"), format!("{NOBODY} {} 1", outside(sys::user_id())))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{NOBODY} {} 1", outside(sys::group_id())))
}

/// Becomes the mapped user, in the child.
pub fn take_identity() -> io::Result<()> {
    let id = u64::from(NOBODY);
    sys::call(sys::number::SETRESGID, id, id, id)?;
    sys::call(sys::number::SETRESUID, id, id, id)?;
    Ok(())
}

/// No user namespace inside ours: it would give back capabilities, and with them calls worth attacking.
pub fn forbid_nesting() -> io::Result<()> {
    fs::write("/proc/sys/user/max_user_namespaces", "0")
}

/// A new, empty session keyring: the one we inherited may hold the person's keys.
pub fn leave_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: u64 = 1;
    sys::call(sys::number::KEYCTL, JOIN_SESSION_KEYRING, 0, 0).map(drop)
}
