//! `cgroup own`: the group that the agent is in.

use crate::experiments::{join, seconds, share, tell};
use crate::sys;
use crate::warden::Warden;
use std::fs;
use std::thread::sleep;

const SYSTEMD: &str = "/run/systemd/system";

/// An agent in `group`: the work in a process of its own, which is a child of this one.
fn agent_in(group: &'static str, work: impl FnOnce()) {
    let _ = fs::create_dir(group);
    let agent = sys::in_child(|| {
        join(group);
        work();
        0
    });
    sys::reap(agent, true);
    sleep(seconds(1));
}

fn start(group: &str) -> Warden {
    Warden::start_below("own", group, "spin", "cpu-percent 25")
}

fn is_held(warden: &Warden) -> bool {
    ["cgroup-cpu", "cgroup-memory", "cgroup-pids", "cgroup-kill"].iter().all(|name| warden.has_layer(name))
}

/// Two wardens: the first makes room, the second finds it made.
pub fn divides() {
    const GROUP: &str = "/sys/fs/cgroup/service";
    agent_in(GROUP, || {
        let held = [start(GROUP), start(GROUP)].map(|mut warden| {
            warden.until_running();
            (is_held(&warden), share(&mut warden, seconds(4)))
        });
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let [(first, one), (second, two)] = held;
        let measured =
            format!("held {first} and {second}, {one:.1} % and {two:.1} %; the agent is in {}", own.trim());
        let holds = first && second && [one, two].iter().all(|got| (10.0..28.0).contains(got));
        tell(
            "cgroup own",
            "25 %, twice, in the group the agent is in",
            &measured,
            holds && own.contains("/askee-agent"),
        );
    });
}

/// Programs of the person's are not moved about.
pub fn refuses_others() {
    const GROUP: &str = "/sys/fs/cgroup/session";
    let _ = fs::create_dir(GROUP);
    let other = sys::in_child(|| {
        join(GROUP);
        loop {
            sleep(seconds(60));
        }
    });
    sleep(seconds(1));
    agent_in(GROUP, || {
        let warden = start(GROUP);
        let why = warden.detail_of("cgroup-cpu");
        let stays = fs::read_to_string(format!("{GROUP}/cgroup.procs")).unwrap_or_default();
        let holds = !warden.has_layer("cgroup-cpu")
            && why.contains("not the agent's")
            && stays.contains(&other.to_string());
        tell("cgroup own with others", "refused, nobody moved", why, holds);
    });
    sys::send_signal(other, sys::SIGKILL);
    sys::reap(other, true);
}

/// A group that systemd keeps for itself is left alone; one it gave away (Delegate=yes) is divided.
pub fn asks_systemd() {
    const GROUP: &str = "/sys/fs/cgroup/unit";
    let _ = fs::create_dir_all(SYSTEMD);
    agent_in(GROUP, || {
        let warden = start(GROUP);
        let why = warden.detail_of("cgroup-cpu").to_owned();
        drop(warden);
        let is_set = sys::set_attribute(GROUP, "user.delegate", "1");
        let delegated = start(GROUP);
        let holds = why.contains("Delegate=yes") && is_set && is_held(&delegated);
        let measured = format!("{why}; marked as delegated {is_set}, then held {}", is_held(&delegated));
        tell("cgroup own under systemd", "refused unless delegated", &measured, holds);
    });
    let _ = fs::remove_dir_all(SYSTEMD);
}
