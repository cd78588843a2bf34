//! In what V8's runner is held otherwise than wasmtime's: everything else does not know which of them it holds.

use super::confine::Step;
use super::rlimits::Bounds;
use super::sys;
use crate::policy::{Policy, Profile};
use crate::report::Layer;
use askee_filter::Instruction;
use std::ffi::CStr;

/// V8 makes a range of that size writable for its code at the start, touched or not: counted as data all the same.
const V8_CODE_RANGE: u64 = 512 * 1024 * 1024;
/// What a task in wasmtime is held by and one in V8 is not.
const V8_LACKS: [(&str, &str); 4] = [
    ("no-new-code", "V8 makes code while a task runs"),
    ("compiling-apart", "V8 compiles in the task's own process"),
    ("one-thread", "V8 compiles and collects garbage in threads of its own"),
    ("no-clock", "Node reads the clock"),
];

impl Profile {
    /// The filter that the runner starts under.
    pub fn loader(self) -> Vec<Instruction> {
        match self {
            Self::Wasmtime => askee_filter::loader(),
            Self::V8 => askee_filter::v8_loader(),
        }
    }

    /// The dynamic loader finds the listed libraries in one folder. One arena and one thread beside V8's own keep Node's
    /// memory small, and leave the allocator nothing to look up in /proc.
    pub fn environment(self) -> &'static [&'static CStr] {
        match self {
            Self::Wasmtime => &[],
            Self::V8 => &[c"LD_LIBRARY_PATH=/lib", c"MALLOC_ARENA_MAX=1", c"UV_THREADPOOL_SIZE=1"],
        }
    }

    /// Name of the layer that `step` brings. A root with files in it is not called an empty one.
    pub fn layer_of(self, step: Step) -> &'static str {
        match (step, self) {
            (Step::EmptyRoot, Self::V8) => "listed-root",
            _ => step.layer(),
        }
    }

    /// What the runner gives up when it seals itself, which cannot be seen from outside. It fails to seal itself, and no task
    /// begins, where the kernel has the means and does not take them (`askee_filter::seal`); so what the kernel has is
    /// what is in force.
    pub fn sealed_layers(self) -> Vec<Layer> {
        let has = |option: i32| sys::prctl_set(option, 0, 0).is_ok();
        match self {
            Self::Wasmtime => vec![
                Layer::enforced(
                    "no-new-code",
                    match has(sys::PR_GET_MDWE) {
                        true => "the last filter, and PR_SET_MDWE",
                        false => "the last filter alone: no PR_SET_MDWE before Linux 6.3",
                    },
                ),
                Layer::enforced("compiling-apart", "in a confined process of its own"),
                match sys::can_read_tsc_mode() {
                    Ok(()) => Layer::enforced("no-clock", "no call tells the time, rdtsc faults"),
                    Err(why) => {
                        Layer::missing("no-clock", format!("no call tells the time, but the processor may: {why}"))
                    }
                },
            ],
            Self::V8 => V8_LACKS.map(|(name, why)| Layer::missing(name, why)).to_vec(),
        }
    }
}

impl Policy {
    /// Of the runner, its program's name first.
    pub fn runner_arguments(&self) -> Vec<&str> {
        match self.profile {
            Profile::Wasmtime => vec!["askee-runner", "confined"],
            Profile::V8 => std::iter::once("node").chain(self.arguments.iter().map(String::as_str)).collect(),
        }
    }

    pub fn runner_bounds(&self) -> Bounds {
        let (memory_bytes, threads) = match self.profile {
            Profile::Wasmtime => (self.memory_bytes, 0),
            Profile::V8 => (self.memory_bytes + V8_CODE_RANGE, u64::from(self.pids)),
        };
        Bounds { memory_bytes, cpu_seconds: None, threads }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_3_what_v8_lacks_is_missing_and_never_what_the_tier_stands_for() {
        let lacks = Profile::V8.sealed_layers();
        assert!(lacks.len() == 4 && lacks.iter().all(|layer| !layer.is_enforced()));
        let names = |profile: Profile| profile.sealed_layers().iter().map(|layer| layer.name).collect::<Vec<_>>();
        assert!(names(Profile::Wasmtime).iter().all(|name| names(Profile::V8).contains(name)));
        assert_eq!(Profile::V8.layer_of(Step::EmptyRoot), "listed-root");
        assert_eq!(Profile::Wasmtime.layer_of(Step::EmptyRoot), "empty-root");
        assert_eq!(Profile::V8.layer_of(Step::Seccomp), "seccomp");
    }

    #[test]
    fn gov_7_a_runner_of_v8_has_as_many_threads_as_the_policy_says_and_room_for_its_code() {
        let policy = Policy { profile: Profile::V8, pids: 8, memory_bytes: 1 << 28, ..Policy::default() };
        let bounds = policy.runner_bounds();
        assert_eq!((bounds.threads, bounds.memory_bytes), (8, (1 << 28) + V8_CODE_RANGE));
        assert_eq!(Policy::default().runner_bounds().threads, 0);
        let policy = Policy { arguments: vec!["/runner/main.cjs".to_owned()], ..policy };
        assert_eq!(policy.runner_arguments(), ["node", "/runner/main.cjs"]);
    }
}
