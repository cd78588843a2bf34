//! Containment on macOS: a process that put itself into a sandbox which denies everything.

mod inspect;
mod machine;
mod process;
mod sys;

use super::thread_loop::{Agent, hold};
use crate::policy::Policy;
use crate::report::{Layer, Report};
use crate::session::Containment;
use machine::Machine;
use std::io::{stdin, stdout};

/// Holds one task. Returns the exit code of the warden.
pub fn run() -> i32 {
    let parent = sys::parent_id();
    let death = Box::new(move || sys::wait_for_exit(parent));
    let agent = Agent { input: Box::new(stdin()), output: Box::new(stdout()), death: Some(death) };
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
