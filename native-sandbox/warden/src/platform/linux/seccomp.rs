//! Puts on the filter that the runner starts under, and looks from outside how many filters a process has.

use super::sys;
use askee_filter::Instruction;
use std::fs;
use std::io;
use std::path::Path;

const SET_MODE_FILTER: u64 = 1;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

pub fn install(filter: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = Program { length, instructions: filter.as_ptr() };
    // SAFETY: the program and its instructions live through the call; the kernel copies them.
    let result = unsafe { sys::syscall(sys::number::SECCOMP, SET_MODE_FILTER, 0u64, &raw const program) };
    sys::check(result).map(drop)
}

/// Filters in force on every thread of process `pid` beside those that we gave it by having them ourselves, as in a
/// container; `None` where the kernel does not say (before 5.9).
pub fn own_filters_of(pid: i32) -> Option<u32> {
    let inherited = filters_in(Path::new("/proc/self/status"))?;
    // What cannot be looked at counts as having none.
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let least = threads.map(|thread| filters_in(&thread.path().join("status")).unwrap_or(0)).min();
    Some(least.unwrap_or(0).saturating_sub(inherited))
}

fn filters_in(status: &Path) -> Option<u32> {
    let status = fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::namespaces;
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const ALLOW_ALL: [Instruction; 1] = [Instruction { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 }];
    const NAME: &str =
        "platform::linux::seccomp::tests::sbx_3_filters_that_the_warden_itself_has_are_no_seal_of_the_runner";

    /// With so many filters more than we have.
    fn filtered(program: &str, count: u32) -> Command {
        let mut command = Command::new(program);
        let put_on = move || {
            sys::prctl_set(38, 1, 0)?;
            (0..count).try_for_each(|_| install(&ALLOW_ALL))
        };
        // SAFETY: makes system calls only.
        unsafe { command.pre_exec(put_on) };
        command
    }

    /// A process of two threads, on each of which it puts on filters or does not; killed and collected at once after a look.
    fn filters_of_threads(leader: u32, other: u32) -> Option<u32> {
        let (mut ready, tell) = std::io::pipe().unwrap();
        let namespaces::Forked::Parent { pid, .. } = namespaces::fork(false, None).unwrap() else {
            let put_on = |count| {
                sys::prctl_set(38, 1, 0).unwrap();
                (0..count).for_each(|_| install(&ALLOW_ALL).unwrap());
                (&tell).write_all(&[1]).unwrap();
                loop {
                    std::thread::park();
                }
            };
            std::thread::scope(|scope| {
                scope.spawn(|| put_on(other));
                // The other one is there and inherits nothing of this.
                put_on(leader);
            });
            std::process::abort()
        };
        // Also when it ends early, which then is seen as fewer filters.
        drop(tell);
        let _ = ready.read_exact(&mut [0; 2]);
        let seen = own_filters_of(pid);
        sys::send_signal(pid, sys::SIGKILL).unwrap();
        sys::wait(pid, 0).unwrap();
        seen
    }

    #[test]
    fn sbx_3_a_process_with_one_thread_outside_the_filter_is_not_sealed() {
        assert_eq!(filters_of_threads(2, 0), Some(0), "the other thread is free");
        assert_eq!(filters_of_threads(0, 2), Some(0), "the first thread is free");
        assert_eq!(filters_of_threads(2, 1), Some(1));
        assert_eq!(filters_of_threads(2, 2), Some(2), "the control");
    }

    #[test]
    fn sbx_3_filters_that_the_warden_itself_has_are_no_seal_of_the_runner() {
        for count in [0, 2] {
            let mut child = filtered("sleep", count).arg("60").spawn().unwrap();
            let seen = own_filters_of(child.id() as i32);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(seen, Some(count));
        }
        // The same again below two filters, as in a container in a container.
        const BELOW: &str = "ASKEE_TEST_BELOW_FILTERS";
        if std::env::var_os(BELOW).is_none() {
            let own = std::env::current_exe().unwrap();
            let again =
                filtered(own.to_str().unwrap(), 2).args(["--exact", NAME]).env(BELOW, "1").output().unwrap();
            let said = String::from_utf8_lossy(&again.stdout);
            assert!(again.status.success() && said.contains("1 passed"), "{said}");
        }
    }
}
