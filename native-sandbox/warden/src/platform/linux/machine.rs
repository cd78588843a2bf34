//! The two processes of a task (runner, and for a while a compiling child), their group, and their limits.

use super::cgroup::Group;
use super::duty_cycle::{DutyCycle, QUANTUM, Turn};
use super::process::{self, Confinement, End, Spec, Work};
use super::reaper::Reaper;
use super::rlimits::{self, Bounds};
use super::usage::{held_bytes, peak_bytes};
use super::{apparmor, freeze, open_runner, sys};
use crate::policy::{Policy, Profile};
use crate::report::{Layer, Report};
use crate::session::{Cause, Containment, Usage};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

const MILLISECOND: u64 = 1_000_000;
/// How often memory is looked at and the runner's clock ticks.
const WATCH: u64 = 50 * MILLISECOND;
const TICKS_PER_PROGRESS: u64 = 100 * MILLISECOND;
const WHOLE_PROCESSOR: u32 = 100;
/// The page a runner reads: how many tenths of a second it ran, and whether it shall stop between two steps.
struct Control {
    fd: OwnedFd,
    ticks: &'static AtomicU32,
    suspend: &'static AtomicU32,
}

pub struct Machine {
    pub runner: Option<Work>,
    pub compiler: Option<Work>,
    program: Option<File>,
    control: Control,
    group: Option<Group>,
    /// Of one processor, where the duty cycle must see to it.
    duty_percent: Option<u32>,
    duty: Option<DutyCycle>,
    memory_bytes: u64,
    compile_memory_bytes: u64,
    next_turn: u64,
    next_watch: u64,
    next_tick: u64,
    is_frozen: bool,
    stands: bool,
    is_running: bool,
    is_killed: bool,
    peak_bytes: u64,
    throttled: u64,
    /// Processor time of the compiling child after its end.
    past_ns: u64,
    pub over_memory: bool,
    /// The kernel takes one change of an autogroup in 100 ms: it is tried again.
    wants_autogroup: bool,
    /// Last, because fields go in their order: it outlives what it would remove in our place.
    runner_reaper: Option<Reaper>,
}

impl Machine {
    pub fn new() -> io::Result<Self> {
        let (fd, page) = sys::shared_page()?;
        // SAFETY: a page of our own, mapped until the process ends and aligned to more than a u32; the runner can only
        // read it.
        let (ticks, suspend) = unsafe { (AtomicU32::from_ptr(page), AtomicU32::from_ptr(page.add(1))) };
        Ok(Self {
            runner: None,
            compiler: None,
            program: None,
            control: Control { fd, ticks, suspend },
            group: None,
            duty_percent: None,
            duty: None,
            memory_bytes: 0,
            compile_memory_bytes: 0,
            next_turn: 0,
            next_watch: 0,
            next_tick: 0,
            is_frozen: false,
            stands: false,
            is_running: false,
            is_killed: false,
            peak_bytes: 0,
            throttled: 0,
            past_ns: 0,
            over_memory: false,
            wants_autogroup: false,
            runner_reaper: None,
        })
    }

    pub fn start_runner(&mut self, policy: &Policy) -> Result<Vec<Layer>, String> {
        let program = open_runner(policy)?;
        let (group, cgroup_layers) = Group::create(policy);
        let arguments = policy.runner_arguments();
        let spec = Spec {
            program: &program,
            profile: policy.profile,
            files: &policy.files,
            arguments: &arguments,
            bounds: policy.runner_bounds(),
            control: (policy.profile == Profile::Wasmtime).then_some(&self.control.fd),
            group: group.as_ref(),
            confinement: Confinement::Full,
            drafts: policy.cache_directory.as_deref(),
        };
        let mut work = process::start(&spec).map_err(|error| format!("cannot start the runner: {error}"))?;
        let mut layers = std::mem::take(&mut work.layers);
        self.wants_autogroup = layers.iter().any(|layer| layer.name == "autogroup" && !layer.is_enforced());
        let limits_cpu = group.as_ref().is_some_and(|group| group.limits_cpu);
        layers.extend(cgroup_layers);
        layers.push(if limits_cpu {
            Layer::missing("duty-cycle", "not needed: cgroup-cpu")
        } else if policy.cpu_percent >= WHOLE_PROCESSOR {
            Layer::missing("duty-cycle", "the policy allows a whole processor")
        } else {
            self.duty_percent = Some(policy.cpu_percent);
            Layer::enforced("duty-cycle", format!("{} % of one processor", policy.cpu_percent))
        });
        layers.push(Layer::enforced("memory-watch", "resident memory and page tables, every 50 ms"));
        layers.push(apparmor::layer(work.pid));
        layers.extend(policy.profile.sealed_layers());
        self.runner_reaper = work.reaper.take();
        self.memory_bytes = policy.memory_bytes;
        (self.program, self.group, self.runner) = (Some(program), group, Some(work));
        self.next_watch = now() + WATCH;
        Ok(layers)
    }

    /// Looks after a process that was started elsewhere.
    #[cfg(feature = "escape")]
    pub fn watch(&mut self, work: Work, memory_bytes: u64) {
        (self.runner, self.memory_bytes) = (Some(work), memory_bytes);
    }

    fn works(&self) -> Vec<&Work> {
        self.runner.iter().chain(&self.compiler).filter(|work| work.end.is_none()).collect()
    }

    /// Nanoseconds until [`Self::on_time`] wants to be called.
    pub fn timeout(&self) -> Option<u64> {
        if self.is_frozen || self.runner.is_none() {
            return None;
        }
        let turn = self.duty.as_ref().map_or(u64::MAX, |_| self.next_turn);
        Some(turn.min(self.next_watch).saturating_sub(now()))
    }

    pub fn on_time(&mut self) {
        if self.is_frozen {
            return;
        }
        let clock = now();
        if self.duty.is_some() && clock >= self.next_turn {
            self.turn(clock);
        }
        if self.is_running && clock >= self.next_tick {
            self.next_tick = clock + TICKS_PER_PROGRESS;
            self.control.ticks.fetch_add(1, Ordering::Relaxed);
        }
        if clock >= self.next_watch {
            self.next_watch = clock + WATCH;
            if self.is_killed {
                return self.kill();
            }
            if let (true, Some(work)) = (self.wants_autogroup, &self.runner) {
                self.wants_autogroup = work.autogroup.as_ref().is_some_and(|group| group.be_nicest().is_err());
            }
            self.watch_memory();
        }
    }

    /// Each process has a limit of its own. A compiler that passes its is ended alone: the session says why there is no code.
    fn watch_memory(&mut self) {
        let resident = |work: &Option<Work>| match work {
            Some(work) if work.end.is_none() => held_bytes(work.pid),
            _ => 0,
        };
        let (runner, compiler) = (resident(&self.runner), resident(&self.compiler));
        self.peak_bytes = self.peak_bytes.max(runner + compiler);
        if let (true, Some(work)) = (compiler > self.compile_memory_bytes, &self.compiler) {
            work.kill();
        }
        if runner > self.memory_bytes {
            self.over_memory = true;
            self.kill();
        }
    }

    /// Starting takes a few milliseconds and is not slowed down; what is done with a module is.
    fn begin_duty(&mut self) {
        if let (Some(percent), None) = (self.duty_percent, &self.duty) {
            self.duty = Some(DutyCycle::new(percent, now(), self.processor_ns()));
            self.next_turn = 0;
        }
    }

    fn turn(&mut self, clock: u64) {
        let used = self.processor_ns();
        let Some(duty) = &mut self.duty else { return };
        let (stand, after) = match duty.next(clock, used) {
            Turn::Run(after) => (false, after),
            Turn::Stand(after) => (true, after),
        };
        self.next_turn = clock + after.min(QUANTUM);
        if stand != self.stands {
            self.stands = stand;
            self.throttled += u64::from(stand);
            for work in self.works() {
                // It may just have ended.
                let _ = freeze::signal(work, if stand { sys::SIGSTOP } else { sys::SIGCONT });
            }
        }
    }

    fn processor_ns(&self) -> u64 {
        self.past_ns + self.runner.iter().chain(&self.compiler).map(Work::processor_ns).sum::<u64>()
    }

    /// What the end of the runner was caused by, beside what the session knows.
    pub fn cause_of(&self, end: End) -> Cause {
        const SIGSYS: i32 = 31;
        if self.over_memory || self.group.as_ref().is_some_and(Group::ran_out_of_memory) {
            return Cause::Memory;
        }
        match end {
            End::Exited(0) => Cause::None,
            End::Exited(_) => Cause::Crash,
            End::Signalled(SIGSYS) => Cause::Seccomp,
            End::Signalled(_) => Cause::Crash,
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both at once, before anybody waits for either.
        self.kill();
    }
}

impl Containment for Machine {
    fn start(&mut self, policy: &Policy) -> Result<Report, String> {
        rlimits::bound_warden(policy.compile_memory_bytes)
            .map_err(|error| format!("cannot bound itself: {error}"))?;
        self.start_runner(policy).map(|layers| Report { layers })
    }

    fn start_compiler(&mut self, policy: &Policy) -> Result<(), String> {
        let program = self.program.as_ref().ok_or("the runner was not started")?;
        let spec = Spec {
            program,
            profile: Profile::Wasmtime,
            files: &[],
            arguments: &["askee-runner", "compile"],
            bounds: Bounds {
                threads: 0,
                memory_bytes: policy.compile_memory_bytes,
                cpu_seconds: Some(policy.compile_cpu_seconds),
            },
            control: None,
            group: self.group.as_ref(),
            confinement: Confinement::Full,
            drafts: None,
        };
        let work = process::start(&spec).map_err(|error| format!("cannot start the compiler: {error}"))?;
        let reached = Report { layers: work.layers.clone() };
        if !policy.tier.is_met_by(reached.tier()) {
            return Err(format!("the compiler is not contained: {}", reached.lacking()));
        }
        self.compile_memory_bytes = policy.compile_memory_bytes;
        self.compiler = Some(work);
        if self.is_frozen {
            freeze::stop(self.group.as_ref(), &self.works())?;
        }
        Ok(())
    }

    fn stop_compiler(&mut self) {
        if let Some(work) = &self.compiler {
            self.past_ns += work.processor_ns();
        }
        self.compiler = None;
    }

    fn is_sealed(&self) -> bool {
        self.runner.as_ref().is_some_and(Work::is_sealed)
    }

    fn request_suspend(&mut self) {
        self.control.suspend.store(1, Ordering::Relaxed);
    }

    fn work_begins(&mut self) {
        self.begin_duty();
    }

    fn task_began(&mut self) {
        self.is_running = true;
        self.next_tick = now() + TICKS_PER_PROGRESS;
    }

    fn freeze(&mut self) -> Result<u32, String> {
        self.is_frozen = true;
        let after = freeze::stop(self.group.as_ref(), &self.works())?;
        Ok(u32::try_from(after.as_micros()).unwrap_or(u32::MAX))
    }

    fn thaw(&mut self) -> Result<(), String> {
        if !self.is_frozen {
            return Ok(());
        }
        self.is_frozen = false;
        if let Some(duty) = &mut self.duty {
            duty.skip_to(now());
        }
        self.stands = false;
        self.next_turn = 0;
        freeze::go_on(self.group.as_ref(), &self.works())
    }

    fn kill(&mut self) {
        // Looked after until it is dead: see `on_time`.
        (self.is_killed, self.is_frozen) = (true, false);
        self.works().iter().for_each(|work| work.kill());
        if let Some(group) = &self.group {
            group.kill();
        }
    }

    fn usage(&mut self) -> Usage {
        let works = self.works();
        let resident = works.iter().map(|work| held_bytes(work.pid)).sum();
        let ended = self.runner.iter().filter_map(|work| work.end).map(|(_, usage)| usage.peak_bytes());
        let peak = works.iter().map(|work| peak_bytes(work.pid)).chain(ended).max().unwrap_or(0);
        self.peak_bytes = self.peak_bytes.max(peak).max(resident);
        Usage {
            processor_us: self.processor_ns() / 1000,
            resident_bytes: resident,
            peak_bytes: self.peak_bytes,
            throttled: self.throttled,
        }
    }
}

/// Nanoseconds of a clock that only goes forward.
pub fn now() -> u64 {
    sys::clock(sys::CLOCK_MONOTONIC).unwrap_or(0)
}

#[cfg(test)]
mod tests;
