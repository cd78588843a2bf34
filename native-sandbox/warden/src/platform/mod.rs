//! One module an operating system. Each offers
//!
//! - `run() -> i32`: reads POLICY from standard input, holds one task, returns the exit code;
//! - `probe() -> Report`: which layers a task would get here;
//! - a type that implements [`crate::session::Containment`].

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod duty_cycle;
#[cfg(any(test, not(target_os = "linux")))]
mod thread_loop;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;

// Its parts that only compute are tested everywhere.
#[cfg(any(test, target_os = "windows"))]
mod windows;
#[cfg(target_os = "windows")]
pub use windows::*;
