//! What the session needs of an operating system.

use crate::policy::Policy;
use crate::report::Report;

/// What an operating system offers to hold one task. Linux: `platform::linux`.
pub trait Containment {
    /// Starts the runner, confined, and says what holds it. No byte of a task was seen yet.
    fn start(&mut self, policy: &Policy) -> Result<Report, String>;
    /// Starts a confined process that compiles one module.
    fn start_compiler(&mut self, policy: &Policy) -> Result<(), String>;
    fn stop_compiler(&mut self);
    /// Whether the runner put on its last filter (or the system has none to look for).
    fn is_sealed(&self) -> bool;
    /// Raises the flag that a stepwise task looks at between two steps.
    fn request_suspend(&mut self);
    /// The runner is started and gets its module: its share of the processor counts from now on.
    fn work_begins(&mut self);
    /// The task now runs: progress may be told, limits are watched.
    fn task_began(&mut self);
    /// Returns when no instruction runs any more: after how many microseconds.
    fn freeze(&mut self) -> Result<u32, String>;
    fn thaw(&mut self) -> Result<(), String>;
    fn kill(&mut self);
    fn usage(&mut self) -> Usage;
}

/// Processor time in microseconds; memory in bytes; times stopped for the sake of the CPU limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub processor_us: u64,
    pub resident_bytes: u64,
    pub peak_bytes: u64,
    pub throttled: u64,
}

/// Why a runner ended, beside its exit code or signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    None = 0,
    Killed = 1,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux filters calls"))]
    Seccomp = 2,
    Memory = 3,
    Protocol = 4,
    Crash = 5,
    NotSealed = 6,
}
