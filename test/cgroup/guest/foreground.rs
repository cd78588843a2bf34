//! What a busy program of the person's keeps while a task runs. One processor: what the task gets, the program loses.

use crate::experiments::{PERSON, join, seconds, share, tell};
use crate::sys;
use crate::warden::{DELEGATED, Warden};
use std::fs;
use std::thread::sleep;

/// Ended when dropped.
pub struct Busy(i32);

impl Busy {
    /// A program that spins in `group`.
    pub fn start(group: &str) -> Self {
        let _ = fs::create_dir(group);
        let group = group.to_owned();
        Self(sys::in_child(move || {
            join(&group);
            loop {
                std::hint::spin_loop();
            }
        }))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        sys::send_signal(self.0, sys::SIGKILL);
        sys::reap(self.0, true);
    }
}

/// Percent of the processor that a task gets beside a program in `group`.
fn beside(group: &str, mut warden: Warden) -> f64 {
    warden.until_running();
    let _program = Busy::start(group);
    sleep(seconds(1));
    share(&mut warden, seconds(4))
}

fn set_idle(idle: &str) -> bool {
    fs::write(format!("{DELEGATED}/cpu.idle"), idle).is_ok()
}

pub fn wins() {
    set_idle("0");
    let warden = Warden::start("spin", "");
    let is_seen = warden.has_layer("cgroup-idle");
    let how = warden.detail_of("cgroup-idle").to_owned();
    let got = beside(PERSON, warden);
    tell(
        "cgroup-idle",
        "next to nothing beside a busy program outside the delegated group",
        &format!("{got:.1} %; {how}"),
        is_seen && got < 5.0,
    );
    let warden = Warden::start("spin", "");
    // Taken back: the task's own group is idle still, which is worth nothing here.
    let is_set = set_idle("0");
    let got = beside(PERSON, warden);
    tell(
        "cgroup-idle control",
        "the same, only the task's own group idle",
        &format!("{got:.1} %"),
        is_set && got > 20.0,
    );
}

/// An agent that sits in the group it gives to tasks would be slow itself: told, not done.
pub fn agent_inside() {
    set_idle("0");
    let leaf = format!("{DELEGATED}/leaf");
    let _ = fs::create_dir(&leaf);
    let agent = sys::in_child(|| {
        join(&format!("{DELEGATED}/leaf"));
        let warden = Warden::start("spin", "");
        let idle = fs::read_to_string(format!("{DELEGATED}/cpu.idle")).unwrap_or_default();
        tell(
            "cgroup-idle refused",
            "missing where the agent is in that group too",
            warden.detail_of("cgroup-idle"),
            !warden.has_layer("cgroup-idle") && warden.has_layer("cgroup-cpu") && idle.trim() == "0",
        );
        drop(warden);
        0
    });
    sys::reap(agent, true);
    // What was killed with the agent's warden may take some moments.
    sleep(seconds(1));
    let _ = fs::remove_dir(leaf);
}
