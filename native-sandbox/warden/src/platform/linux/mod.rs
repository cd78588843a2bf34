//! Containment on Linux.

mod apparmor;
mod capabilities;
mod cgroup;
mod confine;
#[cfg(feature = "escape")]
mod escape_test;
mod event_loop;
mod freeze;
mod idle;
mod landlock;
mod machine;
mod mounts;
mod namespaces;
mod own_group;
mod priority;
mod process;
mod profile;
mod reaper;
mod rlimits;
mod seccomp;
mod sys;
mod usage;

use super::duty_cycle;
use crate::policy::Policy;
use crate::report::{Layer, Report};
use std::env;
use std::fs::File;
use std::path::PathBuf;

#[cfg(feature = "escape")]
pub use escape_test::escape_test;
pub use event_loop::run;

const RUNNER: &str = "askee-runner";
/// Descriptor at which a runner finds its control page. The warden keeps it taken, so that nothing else gets it.
const CONTROL_PLACE: u64 = 3;

/// Starts a process under everything there is, looks at it, and ends it.
pub fn probe() -> Report {
    let policy = Policy { cpu_percent: 50, ..Policy::default() };
    // Without its control page a runner ends at once, and who looks late sees nothing of it.
    let mut machine = match take_places().and_then(|()| machine::Machine::new()) {
        Ok(machine) => machine,
        Err(error) => return Report { layers: vec![Layer::missing("start", error.to_string())] },
    };
    match machine.start_runner(&policy) {
        Ok(layers) => Report { layers },
        Err(why) => Report { layers: vec![Layer::missing("start", why)] },
    }
}

/// The runner's program: the policy's, or the one beside us.
fn open_runner(policy: &Policy) -> Result<File, String> {
    let beside = || env::current_exe().ok().map(|path| path.with_file_name(RUNNER));
    let path: PathBuf = policy.runner.clone().or_else(beside).ok_or("cannot find the runner")?;
    File::open(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Lets go of every descriptor but the standard three, and takes the control page's place.
fn take_places() -> std::io::Result<()> {
    sys::keep_ended_children();
    sys::call(sys::number::CLOSE_RANGE, CONTROL_PLACE, u64::from(u32::MAX), 0)?;
    std::mem::forget(File::open("/dev/null")?);
    Ok(())
}
