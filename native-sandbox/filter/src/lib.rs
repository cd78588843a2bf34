//! Seccomp programs of the warden and the runner.
//!
//! Two programs, installed one after the other; of two filters the kernel takes the stricter answer.
//! [`loader`] is put on by the warden before it starts the runner, [`last`] by the runner itself before it reads the
//! first byte of a task's input ([`compiling`] where there is a module to compile). For V8 in Node these are
//! [`v8_loader`] and [`v8_last`]. What is not listed kills the process.

mod bpf;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod programs;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod programs_v8;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod seal;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod sysno;

pub use bpf::{Instruction, Outcome, Verdict, evaluate};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use programs::{ARCH, compiling, last, loader};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use programs_v8::{V8_PROGRAM_PLACE, v8_last, v8_loader};
