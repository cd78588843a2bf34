//! The first process of a small machine with cgroup controllers: runs wardens below a delegated group and measures.
//! One line `@@ JSON` an experiment on the console; powers off at the end. Built by test/cgroup/measure.ts.

mod apparmor;
mod deaths;
mod experiments;
mod foreground;
mod own;
mod sys;
mod warden;

use std::fs;
use std::panic::catch_unwind;

const GROUPS: &str = "/sys/fs/cgroup";

fn main() {
    if !sys::leave_first_root() {
        println!("the first root stays");
    }
    for (kind, target) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp"), ("cgroup2", GROUPS)]
    {
        sys::mount_at(kind, target);
    }
    for name in fs::read_to_string("/modules/order").unwrap_or_default().lines() {
        if !sys::load_module(&format!("/modules/{name}")) {
            println!("module {name} was not loaded");
        }
    }
    let _ = fs::write(format!("{GROUPS}/cgroup.subtree_control"), "+cpu +memory +pids +io");
    for group in ["askee", "person"] {
        let _ = fs::create_dir(format!("{GROUPS}/{group}"));
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("@@ {{\"kernel\":\"{}\"}}", kernel.trim());
    // Names to begin with, where only some are wanted.
    let only = fs::read_to_string("/task/only").unwrap_or_default();
    for (name, experiment) in experiments::ALL.iter().filter(|(name, _)| name.starts_with(only.trim())) {
        if catch_unwind(experiment).is_err() {
            experiments::tell(name, "an experiment that ends", "a panic", false);
        }
    }
    println!("@@ {{\"end\":true}}");
    sys::power_off()
}
