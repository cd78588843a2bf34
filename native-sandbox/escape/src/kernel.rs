//! N25 to N28: the parts of the kernel with the most mistakes in their history, and other doors to it.

use crate::call::{Attempt, plain, succeeded, text};
use std::arch::asm;

const NEW_MOUNTS: u64 = 0x2_0000;
const NEW_USER: u64 = 0x1000_0000;

pub fn unshare_user() -> Attempt {
    plain(272, &[NEW_USER])?;
    succeeded("has a user namespace, and in it every capability")
}

/// In mounts of its own, so that a success changes nothing outside.
pub fn mount() -> Attempt {
    plain(272, &[NEW_MOUNTS])?;
    plain(165, &[text(c"none"), text(c"/"), text(c"none"), 0x4_4000, 0])?;
    plain(165, &[text(c"none"), text(c"/tmp"), text(c"tmpfs"), 0, 0])?;
    succeeded("mounted a file system")
}

pub fn setns() -> Attempt {
    let fd = plain(2, &[text(c"/proc/1/ns/net"), 0])? as u64;
    plain(308, &[fd, 0])?;
    succeeded("entered another namespace")
}

pub fn chroot() -> Attempt {
    plain(161, &[text(c"/")])?;
    succeeded("changed its root")
}

pub fn io_uring() -> Attempt {
    let parameters = [0u8; 120];
    plain(425, &[4, parameters.as_ptr() as u64])?;
    succeeded("has a ring")
}

pub fn bpf() -> Attempt {
    // BPF_MAP_CREATE: an array of one value of four bytes.
    let mut attributes = [0u32; 32];
    attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
    plain(321, &[0, attributes.as_ptr() as u64, 128])?;
    succeeded("made a BPF map")
}

pub fn userfaultfd() -> Attempt {
    // UFFD_USER_MODE_ONLY.
    plain(323, &[1])?;
    succeeded("has a userfaultfd")
}

pub fn perf() -> Attempt {
    let mut attributes = [0u32; 32];
    // A software clock of our own, kernel and hypervisor left out.
    (attributes[0], attributes[1], attributes[10]) = (1, 128, 0x60);
    plain(298, &[attributes.as_ptr() as u64, 0, u64::MAX, u64::MAX, 0])?;
    succeeded("measures with perf")
}

pub fn keyctl() -> Attempt {
    const SEARCH: u64 = 10;
    const SESSION: u64 = -3i64 as u64;
    plain(250, &[SEARCH, SESSION, text(c"user"), text(c"askee-escape"), 0])?;
    succeeded("found a key of the warden's session")
}

/// open("/etc/passwd") as 32-bit code would call it; the path lies below 4 GiB.
pub fn int80() -> Attempt {
    const PATH: &[u8] = b"/etc/passwd\0";
    const MAP_32BIT: u64 = 0x40;
    let page = plain(9, &[0, 4096, 3, 0x22 | MAP_32BIT, u64::MAX, 0])? as u64;
    let mut result: u64 = 5;
    // SAFETY: the page was just mapped for writing; int 0x80 clobbers what is said.
    unsafe {
        std::ptr::copy_nonoverlapping(PATH.as_ptr(), page as *mut u8, PATH.len());
        asm!(
            "xchg rbx, {path}", "int 0x80", "xchg rbx, {path}",
            path = inout(reg) page => _, inout("rax") result, in("rcx") 0u64, in("rdx") 0u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    match result as i32 {
        error if error < 0 => Err(-error),
        _ => succeeded("opened a file by the 32-bit door"),
    }
}

pub fn x32() -> Attempt {
    plain(0x4000_0002, &[text(c"/etc/passwd"), 0])?;
    succeeded("opened a file by the x32 door")
}
