//! What a runner gives up by itself where there is no seccomp.

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;

#[cfg(target_os = "windows")]
mod windows;
#[cfg(target_os = "windows")]
pub use windows::*;

/// Nothing runs a destructor, and no thread is waited for.
pub fn end(code: i32) -> ! {
    std::process::exit(code)
}
