//! The two processes of a task (runner, and for a while a compiling child), and their limits.

use super::limits;
use super::process::{self, Spec, Work};
use super::sys::{self, ControlPage};
use crate::platform::thread_loop::{End, Processes, Started, Who};
use crate::policy::Policy;
use crate::report::{Layer, Report};
use crate::session::{Cause, Containment, Usage};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often the runner's clock ticks.
const TICK: Duration = Duration::from_millis(100);
const RUNNER: &str = "askee-runner.exe";
const UNITS_PER_MICROSECOND: u64 = 10;

pub struct Machine {
    runner: Option<Work>,
    compiler: Option<Work>,
    program: PathBuf,
    page: ControlPage,
    started: Vec<Started>,
    next_tick: Option<Instant>,
    is_frozen: bool,
    /// Of the compiling child after its end: microseconds, and bytes.
    past_us: u64,
    past_peak: u64,
}

impl Machine {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            runner: None,
            compiler: None,
            program: PathBuf::new(),
            page: ControlPage::create()?,
            started: Vec::new(),
            next_tick: None,
            is_frozen: false,
            past_us: 0,
            past_peak: 0,
        })
    }

    fn works(&self) -> impl Iterator<Item = &Work> {
        self.runner.iter().chain(&self.compiler).filter(|work| work.end().is_none())
    }
}

impl Containment for Machine {
    fn start(&mut self, policy: &Policy) -> Result<Report, String> {
        let beside = || std::env::current_exe().ok().map(|path| path.with_file_name(RUNNER));
        self.program = policy.runner.clone().or_else(beside).ok_or("cannot find the runner")?;
        let spec = Spec {
            who: Who::Runner,
            program: &self.program,
            limits: limits::for_runner(policy, sys::processors()),
            page: Some(&self.page.for_runner),
        };
        let (work, started) =
            process::start(&spec).map_err(|error| format!("cannot start the runner: {error}"))?;
        let mut layers = work.layers.clone();
        layers.push(Layer::missing("syscall-filter", "Windows has none for others than its own programs"));
        self.started.push(started);
        self.runner = Some(work);
        Ok(Report { layers })
    }

    fn start_compiler(&mut self, policy: &Policy) -> Result<(), String> {
        let spec = Spec {
            who: Who::Compiler,
            program: &self.program,
            limits: limits::for_compiler(policy, sys::processors()),
            page: None,
        };
        let (work, started) =
            process::start(&spec).map_err(|error| format!("cannot start the compiler: {error}"))?;
        let reached = Report { layers: work.layers.clone() };
        if !policy.tier.is_met_by(reached.tier()) {
            return Err(format!("the compiler is not contained: {}", reached.lacking()));
        }
        if self.is_frozen {
            work.stop().map_err(|error| error.to_string())?;
        }
        self.started.push(started);
        self.compiler = Some(work);
        Ok(())
    }

    fn stop_compiler(&mut self) {
        if let Some(work) = self.compiler.take() {
            self.past_us += work.job.processor_time() / UNITS_PER_MICROSECOND;
            self.past_peak = self.past_peak.max(work.resident_bytes().1);
        }
    }

    /// Code can no longer be made: the runner has said so to the kernel.
    fn is_sealed(&self) -> bool {
        self.runner.as_ref().is_some_and(Work::is_sealed)
    }

    fn request_suspend(&mut self) {
        self.page.suspend.store(1, Ordering::Relaxed);
    }

    /// The job holds it from its first instruction.
    fn work_begins(&mut self) {}

    fn task_began(&mut self) {
        self.next_tick = Some(Instant::now() + TICK);
    }

    fn freeze(&mut self) -> Result<u32, String> {
        let start = Instant::now();
        // A second time would have to be taken back twice.
        if !self.is_frozen {
            self.works().try_for_each(Work::stop).map_err(|error| error.to_string())?;
            self.is_frozen = true;
        }
        Ok(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX))
    }

    fn thaw(&mut self) -> Result<(), String> {
        if !std::mem::take(&mut self.is_frozen) {
            return Ok(());
        }
        self.next_tick = self.next_tick.map(|_| Instant::now() + TICK);
        self.works().try_for_each(Work::go_on).map_err(|error| error.to_string())
    }

    fn kill(&mut self) {
        self.works().for_each(|work| work.job.kill());
    }

    fn usage(&mut self) -> Usage {
        let works = || self.runner.iter().chain(&self.compiler);
        let processor: u64 = works().map(|work| work.job.processor_time()).sum();
        let resident = works().map(|work| work.resident_bytes().0).sum();
        let peak = works().map(|work| work.resident_bytes().1).max().unwrap_or(0);
        Usage {
            processor_us: processor / UNITS_PER_MICROSECOND + self.past_us,
            resident_bytes: resident,
            peak_bytes: peak.max(self.past_peak),
            // The kernel does not tell how often the rate held it back.
            throttled: 0,
        }
    }
}

impl Processes for Machine {
    fn take_started(&mut self) -> Vec<Started> {
        std::mem::take(&mut self.started)
    }

    fn end_of(&mut self, who: Who) -> Option<End> {
        let work = if who == Who::Runner { &self.runner } else { &self.compiler };
        work.as_ref().and_then(Work::end)
    }

    fn timeout(&self) -> Option<Duration> {
        let next = self.next_tick.filter(|_| !self.is_frozen);
        next.map(|next| next.saturating_duration_since(Instant::now()))
    }

    fn on_time(&mut self) {
        if !self.is_frozen && self.next_tick.is_some_and(|next| Instant::now() >= next) {
            self.next_tick = Some(Instant::now() + TICK);
            self.page.ticks.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn cause_of(&self, end: End) -> Cause {
        match end {
            End::Exited(0) => Cause::None,
            _ if self.runner.as_ref().is_some_and(|work| work.job.met_memory_limit()) => Cause::Memory,
            _ => Cause::Crash,
        }
    }

    fn is_compiling(&self) -> bool {
        self.compiler.is_some()
    }
}
