//! What the new process does to itself between fork and exec. It allocates nothing and returns never.

use super::mounts::Root;
use super::process::Confinement;
use super::rlimits::{self, Bounds};
use super::{capabilities, landlock, mounts, namespaces, priority, seccomp, sys};
use crate::policy::Profile;
use askee_filter::Instruction;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::RawFd;

/// Steps a child reports, each as one byte and an error number (0: in force).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    Start,
    IdlePriority,
    HostName,
    NoNestedNamespaces,
    OwnKeyring,
    EmptyRoot,
    Rlimits,
    NoCapabilities,
    NoNewPrivileges,
    ParentDeath,
    Landlock,
    Seccomp,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::Start,
        Self::IdlePriority,
        Self::HostName,
        Self::NoNestedNamespaces,
        Self::OwnKeyring,
        Self::EmptyRoot,
        Self::Rlimits,
        Self::NoCapabilities,
        Self::NoNewPrivileges,
        Self::ParentDeath,
        Self::Landlock,
        Self::Seccomp,
    ];

    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    pub fn layer(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::IdlePriority => "idle-priority",
            Self::HostName => "host-name",
            Self::NoNestedNamespaces => "no-nested-namespaces",
            Self::OwnKeyring => "own-keyring",
            Self::EmptyRoot => "empty-root",
            Self::Rlimits => "rlimits",
            Self::NoCapabilities => "no-capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::ParentDeath => "parent-death",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

pub struct Child<'a> {
    pub profile: Profile,
    pub root: &'a Root,
    pub environment: &'a [&'a CStr],
    pub input: RawFd,
    pub output: RawFd,
    pub errors: RawFd,
    /// Closed by exec, which tells the parent that all went well.
    pub status: RawFd,
    pub gate: RawFd,
    /// Our copy of the parent's end, to close: or we would not see the parent die.
    pub other_gate_end: RawFd,
    pub control: Option<RawFd>,
    pub program: RawFd,
    pub arguments: &'a [CString],
    pub filter: &'a [Instruction],
    pub bounds: Bounds,
    pub separate: bool,
    pub confinement: Confinement,
}

const PR_SET_PDEATHSIG: i32 = 1;
const CLOSE_RANGE_CLOEXEC: u64 = 4;
const AT_EMPTY_PATH: i32 = 0x1000;
/// The page shared with the warden is found at this descriptor.
const CONTROL: RawFd = 3;
const MOST_ARGUMENTS: usize = 39;
const MOST_VARIABLES: usize = 7;

pub fn become_runner(child: &Child) -> ! {
    let error = match confine(child) {
        Ok(()) => execute(child),
        Err(error) => error,
    };
    report(child, Step::Start, Err(error));
    // SAFETY: ends the process at once.
    unsafe { sys::_exit(126) }
}

fn confine(child: &Child) -> io::Result<()> {
    sys::call(i64::from(askee_filter::sysno::CLOSE), child.other_gate_end as u64, 0, 0)?;
    #[cfg(feature = "escape")]
    if child.confinement == Confinement::None {
        wait_at_gate(child)?;
        take_descriptors(child)?;
        // A descriptor left behind, for the control to find.
        // SAFETY: numbers only.
        return sys::check(i64::from(unsafe { sys::dup2(child.errors, CONTROL) })).map(drop);
    }
    report(child, Step::OwnKeyring, namespaces::leave_keyring());
    let is_mapped = wait_at_gate(child)?;
    let taken = mounts::take_files(child.root)?;
    if child.separate && is_mapped {
        namespaces::take_identity()?;
        report(child, Step::HostName, sys::set_host_name("sandbox"));
        report(child, Step::NoNestedNamespaces, namespaces::forbid_nesting());
        report(child, Step::EmptyRoot, mounts::enter_root(child.root, &taken));
    } else {
        report(child, Step::EmptyRoot, Err(io::Error::from_raw_os_error(1)));
    }
    take_descriptors(child)?;
    report(child, Step::NoCapabilities, capabilities::drop_all());
    report(child, Step::NoNewPrivileges, capabilities::no_new_privileges());
    // After the last change of identity, which would undo it; then look whether the parent died before.
    report(child, Step::ParentDeath, sys::prctl_set(PR_SET_PDEATHSIG, sys::SIGKILL as u64, 0));
    wait_at_gate(child)?;
    // Late: on a busy machine the steps before would take their time, and now there is somebody to take us out again.
    report(child, Step::IdlePriority, priority::be_idle());
    report(child, Step::Rlimits, rlimits::apply(child.bounds));
    report(child, Step::Landlock, landlock::deny_all(child.program, taken.files(child.root)).map(drop));
    #[cfg(feature = "escape")]
    if child.confinement == Confinement::WithoutSeccomp {
        return Ok(());
    }
    report(child, Step::Seccomp, seccomp::install(child.filter));
    Ok(())
}

/// Standard input and output, nothing for errors, the shared page, the program; everything else is closed by exec.
fn take_descriptors(child: &Child) -> io::Result<()> {
    let _ = child.confinement;
    // Status and gate may sit where something else belongs: the parent opens them after 0, 1 and 2, so never below 3.
    let wanted = [(child.input, 0), (child.output, 1), (child.errors, 2)];
    for (from, to) in wanted {
        // SAFETY: numbers only.
        sys::check(i64::from(unsafe { sys::dup2(from, to) }))?;
    }
    // SAFETY: numbers only.
    sys::check(i64::from(unsafe { sys::dup2(child.program, place_of(child)) }))?;
    sys::call(sys::number::CLOSE_RANGE, 3, u64::from(u32::MAX), CLOSE_RANGE_CLOEXEC)?;
    match child.control {
        // dup2 to itself would leave it to be closed by exec; the warden keeps 3 free for this.
        // SAFETY: numbers only.
        Some(control) => sys::check(i64::from(unsafe { sys::dup2(control, CONTROL) })).map(drop),
        None => Ok(()),
    }
}

/// Where the program is executed from. That of V8 is a number that its filter names.
fn place_of(child: &Child) -> RawFd {
    match child.profile {
        Profile::Wasmtime => child.program,
        Profile::V8 => askee_filter::V8_PROGRAM_PLACE as RawFd,
    }
}

/// Reads one byte; an end of file means that the parent is gone.
fn wait_at_gate(child: &Child) -> io::Result<bool> {
    let mut byte = 0u8;
    // SAFETY: one byte of room.
    let count = unsafe {
        sys::syscall(i64::from(askee_filter::sysno::READ), i64::from(child.gate), &raw mut byte, 1usize)
    };
    match sys::check(count)? {
        1 => Ok(byte == 1),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn report(child: &Child, step: Step, result: io::Result<()>) {
    let error = result.err().map_or(0, |error| error.raw_os_error().unwrap_or(5));
    let [a, b, c, d] = error.to_le_bytes();
    let record = [step as u8, a, b, c, d];
    // SAFETY: five bytes from an array of five. A pipe takes them whole; if the parent is gone, so are we.
    unsafe {
        sys::syscall(i64::from(askee_filter::sysno::WRITE), i64::from(child.status), record.as_ptr(), record.len())
    };
}

/// Returns only with the reason why not.
fn execute(child: &Child) -> io::Error {
    let mut arguments = [std::ptr::null(); MOST_ARGUMENTS + 1];
    for (slot, text) in arguments.iter_mut().take(MOST_ARGUMENTS).zip(child.arguments) {
        *slot = text.as_ptr();
    }
    let mut environment = [std::ptr::null(); MOST_VARIABLES + 1];
    for (slot, text) in environment.iter_mut().take(MOST_VARIABLES).zip(child.environment) {
        *slot = text.as_ptr();
    }
    let nothing: &CStr = c"";
    // SAFETY: two arrays of C strings, each ended by null, that live through the call.
    unsafe {
        sys::syscall(
            sys::number::EXECVEAT,
            i64::from(place_of(child)),
            nothing.as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            i64::from(AT_EMPTY_PATH),
        )
    };
    io::Error::last_os_error()
}
