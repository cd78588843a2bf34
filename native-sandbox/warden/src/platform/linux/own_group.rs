//! The cgroup that is ours to divide: the one we are in. A group that holds processes passes no controller on, so the agent and
//! what it started move into a leaf below it, where later wardens find themselves.

use super::sys;
use std::ffi::{CString, OsStr};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const LEAF: &str = "askee-agent";
/// Somebody may fork between two looks.
const LOOKS: u32 = 10;
const SYSTEMD: &str = "/run/systemd/system";

/// Path of the version 2 group this process is in.
pub fn current() -> Result<PathBuf, String> {
    let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
    let relative = groups.lines().find_map(|line| line.strip_prefix("0::/")).ok_or("no cgroup v2")?;
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|error| error.to_string())?;
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then_some(place)
    });
    Ok(Path::new(mount.ok_or("cgroup v2 is not mounted")?).join(relative))
}

/// The group to divide: ours, or the one above where we are in the leaf already.
pub fn to_divide() -> Result<PathBuf, String> {
    let own = current()?;
    match own.parent() {
        Some(parent) if own.file_name() == Some(OsStr::new(LEAF)) => Ok(parent.to_owned()),
        _ => Ok(own),
    }
}

/// Whether the kernel lets us start something in `group`: who does so must be able to write the group that holds both.
pub fn check_way_to(group: &Path) -> Result<(), String> {
    let Ok(own) = current() else { return Ok(()) };
    let Some(both) = group.ancestors().find(|above| own.starts_with(above)) else { return Ok(()) };
    let procs = both.join("cgroup.procs");
    match OpenOptions::new().write(true).open(&procs) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(format!(
            "nothing of {} may be moved to {} ({}: {error}): start the agent below the manager that gave the group",
            own.display(),
            group.display(),
            procs.display()
        )),
        // Nothing was written; and what else may be wrong shows when it is.
        _ => Ok(()),
    }
}

pub fn holds_processes(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|members| !members.is_empty())
}

/// Moves the agent and its descendants from `group` into the leaf. Refuses, and moves nobody, where the group is not
/// delegated or others are in it too.
pub fn vacate(group: &Path) -> Result<(), String> {
    let name = group.display();
    if Path::new(SYSTEMD).exists() && !is_delegated(group) {
        return Err(format!("systemd did not delegate {name} to us: Delegate=yes, or name another group"));
    }
    let procs = |group: &Path| group.join("cgroup.procs");
    let leaf = group.join(LEAF);
    for _ in 0..LOOKS {
        let members = fs::read_to_string(procs(group)).map_err(|error| format!("{name}: {error}"))?;
        let members: Vec<i32> = members.lines().filter_map(|line| line.parse().ok()).collect();
        if members.is_empty() {
            return Ok(());
        }
        if let Some(other) = members.iter().find(|&&pid| !is_of_agent(pid)) {
            return Err(format!(
                "{name} holds process {other}, which is not the agent's: give the agent, or its tasks, a group of their own"
            ));
        }
        if let Err(error) = fs::create_dir(&leaf)
            && !leaf.exists()
        {
            return Err(format!("{name} is not delegated to us: {error}"));
        }
        for pid in members {
            let moved = fs::write(procs(&leaf), pid.to_string());
            // It may have ended meanwhile.
            if let (Err(error), true) = (moved, Path::new("/proc").join(pid.to_string()).exists()) {
                return Err(format!("process {pid} cannot be moved to {}: {error}", leaf.display()));
            }
        }
    }
    Err(format!("{name} is never empty of processes"))
}

/// systemd marks what it gave away (systemd.exec, "Delegate="): for a system unit and for one of a user.
fn is_delegated(group: &Path) -> bool {
    let Ok(path) = CString::new(group.as_os_str().as_encoded_bytes()) else { return false };
    [c"trusted.delegate", c"user.delegate"].iter().any(|name| sys::attribute(&path, name).as_deref() == Some(b"1"))
}

/// The agent (our parent), ourselves, or below.
fn is_of_agent(pid: i32) -> bool {
    let agent = sys::parent_id();
    let mut next = pid;
    while next > 1 {
        if next == agent || next == std::process::id() as i32 {
            return true;
        }
        next = parent_of(next).unwrap_or(0);
    }
    agent == 1 && pid == 1
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 2..].split(' ').nth(1)?.parse().ok()
}
