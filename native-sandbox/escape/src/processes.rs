//! N21 to N24 other programs and processes, N34 limits, N37 staying on.

use crate::call::{Attempt, plain, succeeded, text};
use std::ffi::CStr;

const FORK: i64 = 57;
const WAIT4: i64 = 61;
const ECHO: [&CStr; 2] = [c"/bin/echo", c"SUCCEEDED ran another program"];

fn parent() -> u64 {
    plain(110, &[]).map_or(0, |pid| pid as u64)
}

pub fn exec() -> Attempt {
    let arguments = [text(ECHO[0]), text(ECHO[1]), 0];
    plain(59, &[text(ECHO[0]), arguments.as_ptr() as u64, 0])?;
    succeeded("exec came back")
}

pub fn memfd_exec() -> Attempt {
    let fd = plain(319, &[text(c"x"), 0])? as u64;
    let script = b"#!/bin/echo SUCCEEDED ran from memory\n";
    plain(1, &[fd, script.as_ptr() as u64, script.len() as u64])?;
    let arguments = [text(c"x"), 0];
    plain(322, &[fd, text(c""), arguments.as_ptr() as u64, 0, 0x1000])?;
    succeeded("exec came back")
}

/// Forks a child that ends at once.
fn fork_once() -> Result<i64, i32> {
    let pid = plain(FORK, &[])?;
    if pid == 0 {
        let _ = plain(112, &[]);
        let _ = plain(231, &[0]);
    }
    Ok(pid)
}

pub fn fork() -> Attempt {
    let mut children = 0;
    for _ in 0..10 {
        match fork_once() {
            Ok(pid) => {
                children += 1;
                let _ = plain(WAIT4, &[pid as u64, 0, 0, 0]);
            }
            Err(error) if children == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(format!("forked {children} times"))
}

pub fn daemonise() -> Attempt {
    fork_once()?;
    succeeded("left a child in a session of its own")
}

pub fn ptrace() -> Attempt {
    const SEIZE: u64 = 0x4206;
    plain(101, &[SEIZE, parent(), 0, 0])?;
    succeeded("traces its parent")
}

pub fn process_vm() -> Attempt {
    let mut byte = [0u8; 16];
    let local = [byte.as_mut_ptr() as u64, 16];
    // Address of our own code would do on no other process; what is asked is whether the call looks at it at all.
    let remote = [byte.as_ptr() as u64, 16];
    match plain(310, &[parent(), local.as_ptr() as u64, 1, remote.as_ptr() as u64, 1, 0]) {
        Ok(_) | Err(14) => succeeded("may read its parent's memory"),
        Err(error) => Err(error),
    }
}

pub fn pidfd_getfd() -> Attempt {
    let pidfd = plain(434, &[parent(), 0])? as u64;
    plain(438, &[pidfd, 0, 0])?;
    succeeded("took a descriptor of its parent")
}

pub fn signal_parent() -> Attempt {
    match parent() {
        0 => Err(3),
        pid => plain(62, &[pid, 0]).and_then(|_| succeeded("may signal its parent")),
    }
}

pub fn signal_all() -> Attempt {
    plain(62, &[u64::MAX, 0])?;
    succeeded("may signal other processes")
}

pub fn raise_limit() -> Attempt {
    let mut limit = [0u64; 2];
    plain(302, &[0, 7, 0, limit.as_mut_ptr() as u64])?;
    let raised = [limit[1] + 1, limit[1] + 1];
    plain(302, &[0, 7, raised.as_ptr() as u64, 0])?;
    succeeded("raised the limit of open files")
}

pub fn raise_priority() -> Attempt {
    plain(141, &[0, 0, -5i64 as u64])?;
    succeeded("has priority over the person's programs")
}
