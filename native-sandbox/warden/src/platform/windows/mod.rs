//! Containment on Windows: a Job Object around a less privileged AppContainer that has no capability.

// Compiled with the tests of every system, used on Windows only.
#![cfg_attr(not(target_os = "windows"), allow(dead_code))]

mod command_line;
mod limits;

#[cfg(target_os = "windows")]
mod app_container;
#[cfg(target_os = "windows")]
mod attributes;
#[cfg(target_os = "windows")]
mod ffi;
#[cfg(target_os = "windows")]
mod inspect;
#[cfg(target_os = "windows")]
mod job;
#[cfg(target_os = "windows")]
mod machine;
#[cfg(target_os = "windows")]
mod priority;
#[cfg(target_os = "windows")]
mod process;
#[cfg(target_os = "windows")]
mod suspend;
#[cfg(target_os = "windows")]
mod sys;

#[cfg(target_os = "windows")]
pub use doors::{probe, run};

#[cfg(target_os = "windows")]
mod doors {
    use super::machine::Machine;
    use crate::platform::thread_loop::{Agent, hold};
    use crate::policy::Policy;
    use crate::report::{Layer, Report};
    use crate::session::Containment;
    use std::io::{stdin, stdout};

    /// Holds one task. Returns the exit code of the warden.
    pub fn run() -> i32 {
        // The agent's death closes its end of the pipe.
        let agent = Agent { input: Box::new(stdin()), output: Box::new(stdout()), death: None };
        let held = Machine::new().and_then(|mut machine| hold(&mut machine, agent));
        i32::from(held.is_err())
    }

    /// Starts a process under everything there is, looks at it, and ends it.
    pub fn probe() -> Report {
        let started = Machine::new()
            .map_err(|error| error.to_string())
            .and_then(|mut machine| machine.start(&Policy { cpu_percent: 50, ..Policy::default() }));
        started.unwrap_or_else(|why| Report { layers: vec![Layer::missing("start", why)] })
    }
}
