//! What a policy means for a Job Object, in the kernel's units. Computes only, so that it is tested everywhere.

use crate::policy::Policy;

/// `JOB_OBJECT_LIMIT_…`
pub mod flag {
    pub const PROCESS_TIME: u32 = 0x0002;
    pub const ACTIVE_PROCESS: u32 = 0x0008;
    pub const PRIORITY_CLASS: u32 = 0x0020;
    pub const PROCESS_MEMORY: u32 = 0x0100;
    pub const JOB_MEMORY: u32 = 0x0200;
    pub const DIE_ON_UNHANDLED_EXCEPTION: u32 = 0x0400;
    pub const KILL_ON_JOB_CLOSE: u32 = 0x2000;
}

/// `CpuRate` counts hundredths of a percent of all processors together.
const WHOLE_MACHINE: u32 = 10_000;
const HUNDREDTHS_PER_PERCENT: u32 = 100;
/// `LARGE_INTEGER` times are in units of 100 ns.
const TIME_UNITS_PER_SECOND: u64 = 10_000_000;

/// For one process in one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLimits {
    pub flags: u32,
    /// Committed memory: what is only reserved does not count.
    pub memory_bytes: usize,
    /// User time after which the kernel ends the process, in units of 100 ns.
    pub user_time: Option<i64>,
    /// Of [`WHOLE_MACHINE`].
    pub cpu_rate: u32,
}

/// For the process that runs the task.
pub fn for_runner(policy: &Policy, processors: u32) -> JobLimits {
    limits(policy.memory_bytes, None, cpu_rate(policy.cpu_percent, processors))
}

/// For the process that compiles a module.
pub fn for_compiler(policy: &Policy, processors: u32) -> JobLimits {
    limits(policy.compile_memory_bytes, Some(policy.compile_cpu_seconds), cpu_rate(policy.cpu_percent, processors))
}

fn limits(memory_bytes: u64, seconds: Option<u64>, cpu_rate: u32) -> JobLimits {
    let always = flag::ACTIVE_PROCESS
        | flag::PRIORITY_CLASS
        | flag::PROCESS_MEMORY
        | flag::JOB_MEMORY
        | flag::DIE_ON_UNHANDLED_EXCEPTION
        | flag::KILL_ON_JOB_CLOSE;
    let user_time = seconds.map(|seconds| (seconds * TIME_UNITS_PER_SECOND).min(i64::MAX as u64) as i64);
    JobLimits {
        flags: if user_time.is_some() { always | flag::PROCESS_TIME } else { always },
        memory_bytes: usize::try_from(memory_bytes).unwrap_or(usize::MAX),
        user_time,
        cpu_rate,
    }
}

/// A share of one processor as a share of all, rounded down so that the limit is never passed; at least the kernel's smallest.
pub fn cpu_rate(percent_of_one: u32, processors: u32) -> u32 {
    (percent_of_one * HUNDREDTHS_PER_PERCENT / processors.max(1)).clamp(1, WHOLE_MACHINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gov_7_a_share_of_one_processor_becomes_a_share_of_all() {
        for (percent, processors, rate) in [
            (100, 1, 10_000),
            (50, 8, 625),
            (20, 4, 500),
            (100, 3, 3333),
            (1, 256, 1),
            (1, 1, 100),
            (100, 0, 10_000),
        ] {
            assert_eq!(cpu_rate(percent, processors), rate, "{percent} % of {processors}");
        }
        for percent in 1..=100 {
            for processors in 1..=128 {
                let of_one = f64::from(cpu_rate(percent, processors)) * f64::from(processors) / 100.0;
                let smallest = f64::from(processors) / 100.0;
                assert!(of_one <= f64::from(percent).max(smallest), "{percent} % of {processors}: {of_one}");
            }
        }
    }

    #[test]
    fn gov_7_memory_and_time_of_the_policy_reach_the_job() {
        let policy = Policy::parse(b"memory-bytes 67108864\ncompile-cpu-seconds 7\ncpu-percent 25").unwrap();
        let runner = for_runner(&policy, 2);
        assert_eq!((runner.memory_bytes, runner.user_time, runner.cpu_rate), (67_108_864, None, 1250));
        assert_eq!(runner.flags & flag::PROCESS_TIME, 0);
        let compiler = for_compiler(&policy, 2);
        assert_eq!((compiler.memory_bytes, compiler.user_time), (1 << 30, Some(70_000_000)));
        assert_ne!(compiler.flags & flag::PROCESS_TIME, 0);
    }

    #[test]
    fn sbx_2_every_job_holds_one_process_and_dies_with_its_handle() {
        for limits in [for_runner(&Policy::default(), 4), for_compiler(&Policy::default(), 4)] {
            for needed in [flag::ACTIVE_PROCESS, flag::KILL_ON_JOB_CLOSE, flag::JOB_MEMORY, flag::PROCESS_MEMORY] {
                assert_ne!(limits.flags & needed, 0);
            }
        }
    }
}
