//! The two processes of a task (runner, and for a while a compiling child), and their limits.

use super::process::{self, Spec, Work};
use super::sys::{self, ControlPage, Waits};
use crate::platform::duty_cycle::{DutyCycle, QUANTUM, Turn};
use crate::platform::thread_loop::{End, Processes, Started, Who};
use crate::policy::Policy;
use crate::report::{Layer, Report};
use crate::session::{Cause, Containment, Usage};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const MILLISECOND: u64 = 1_000_000;
/// How often memory is looked at.
const WATCH: u64 = 50 * MILLISECOND;
const TICK: u64 = 100 * MILLISECOND;
const WHOLE_PROCESSOR: u32 = 100;
const RUNNER: &str = "askee-runner";

/// Moments are nanoseconds since `origin`.
pub struct Machine {
    runner: Option<Work>,
    compiler: Option<Work>,
    program: PathBuf,
    page: ControlPage,
    started: Vec<Started>,
    origin: Instant,
    /// Of one processor, when that is less than a whole one.
    duty_percent: Option<u32>,
    duty: Option<DutyCycle>,
    next_turn: u64,
    next_watch: u64,
    next_tick: u64,
    memory_bytes: u64,
    compile_memory_bytes: u64,
    is_frozen: bool,
    stands: bool,
    is_running: bool,
    over_memory: bool,
    throttled: u64,
    /// Processor time of the compiling child after its end.
    past_ns: u64,
    peak_bytes: u64,
}

impl Machine {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            runner: None,
            compiler: None,
            program: PathBuf::new(),
            page: ControlPage::create()?,
            started: Vec::new(),
            origin: Instant::now(),
            duty_percent: None,
            duty: None,
            next_turn: 0,
            next_watch: 0,
            next_tick: 0,
            memory_bytes: 0,
            compile_memory_bytes: 0,
            is_frozen: false,
            stands: false,
            is_running: false,
            over_memory: false,
            throttled: 0,
            past_ns: 0,
            peak_bytes: 0,
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn works(&self) -> impl Iterator<Item = &Work> {
        self.runner.iter().chain(&self.compiler)
    }

    fn processor_ns(&self) -> u64 {
        self.past_ns + self.works().map(|work| work.measure().0).sum::<u64>()
    }

    /// Starting takes a few milliseconds and is not slowed down; a compiler or a task is.
    fn begin_duty(&mut self) {
        if let (Some(percent), None) = (self.duty_percent, &self.duty) {
            self.duty = Some(DutyCycle::new(percent, self.now(), self.processor_ns()));
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
                let _ = work.signal(if stand { sys::SIGSTOP } else { sys::SIGCONT });
            }
        }
    }

    /// There is no hard cap: what takes too much is ended.
    fn watch(&mut self) {
        let over = |work: &Option<Work>, most: u64| work.as_ref().is_some_and(|work| work.measure().1 > most);
        if over(&self.runner, self.memory_bytes) {
            self.over_memory = true;
            self.kill();
        }
        if over(&self.compiler, self.compile_memory_bytes)
            && let Some(work) = &self.compiler
        {
            let _ = work.signal(sys::SIGKILL);
        }
    }
}

impl Containment for Machine {
    fn start(&mut self, policy: &Policy) -> Result<Report, String> {
        let beside = || std::env::current_exe().ok().map(|path| path.with_file_name(RUNNER));
        self.program = policy.runner.clone().or_else(beside).ok_or("cannot find the runner")?;
        let control = &self.page.for_runner;
        let spec = Spec { who: Who::Runner, program: &self.program, control, cpu_seconds: None };
        let (work, started) =
            process::start(&spec).map_err(|error| format!("cannot start the runner: {error}"))?;
        let mut layers = work.layers.clone();
        layers.push(if policy.cpu_percent >= WHOLE_PROCESSOR {
            Layer::missing("duty-cycle", "the policy allows a whole processor")
        } else {
            self.duty_percent = Some(policy.cpu_percent);
            Layer::enforced("duty-cycle", format!("{} % of one processor", policy.cpu_percent))
        });
        layers.push(Layer::enforced("memory-watch", "footprint, every 50 ms"));
        (self.memory_bytes, self.compile_memory_bytes) = (policy.memory_bytes, policy.compile_memory_bytes);
        self.started.push(started);
        self.runner = Some(work);
        Ok(Report { layers })
    }

    fn start_compiler(&mut self, policy: &Policy) -> Result<(), String> {
        let spec = Spec {
            who: Who::Compiler,
            program: &self.program,
            control: &self.page.for_runner,
            cpu_seconds: Some(policy.compile_cpu_seconds),
        };
        let (work, started) =
            process::start(&spec).map_err(|error| format!("cannot start the compiler: {error}"))?;
        let reached = Report { layers: work.layers.clone() };
        if !policy.tier.is_met_by(reached.tier()) {
            return Err(format!("the compiler is not contained: {}", reached.lacking()));
        }
        if self.is_frozen {
            work.stop()?;
        }
        self.started.push(started);
        self.compiler = Some(work);
        Ok(())
    }

    fn stop_compiler(&mut self) {
        if let Some(work) = self.compiler.take() {
            let (processor, _, peak) = work.measure();
            self.past_ns += processor;
            self.peak_bytes = self.peak_bytes.max(peak);
        }
    }

    fn is_sealed(&self) -> bool {
        self.runner.as_ref().is_some_and(Work::is_sealed)
    }

    fn request_suspend(&mut self) {
        self.page.suspend.store(1, Ordering::Relaxed);
    }

    fn work_begins(&mut self) {
        self.begin_duty();
    }

    fn task_began(&mut self) {
        self.is_running = true;
        self.next_tick = self.now() + TICK;
    }

    fn freeze(&mut self) -> Result<u32, String> {
        let start = Instant::now();
        self.is_frozen = true;
        self.works().try_for_each(Work::stop)?;
        Ok(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX))
    }

    fn thaw(&mut self) -> Result<(), String> {
        if !std::mem::take(&mut self.is_frozen) {
            return Ok(());
        }
        let now = self.now();
        if let Some(duty) = &mut self.duty {
            duty.skip_to(now);
        }
        self.stands = false;
        self.next_turn = 0;
        self.works().try_for_each(|work| work.signal(sys::SIGCONT)).map_err(|error| error.to_string())
    }

    fn kill(&mut self) {
        for work in self.works() {
            // It may just have ended.
            let _ = work.signal(sys::SIGKILL);
        }
    }

    fn usage(&mut self) -> Usage {
        let measured = |work: &Work| work.measure();
        let resident = self.works().map(measured).map(|(_, resident, _)| resident).sum();
        let peak = self.works().map(measured).map(|(_, _, peak)| peak).max().unwrap_or(0);
        self.peak_bytes = self.peak_bytes.max(peak);
        Usage {
            processor_us: self.processor_ns() / 1000,
            resident_bytes: resident,
            peak_bytes: self.peak_bytes,
            throttled: self.throttled,
        }
    }
}

impl Processes for Machine {
    fn take_started(&mut self) -> Vec<Started> {
        std::mem::take(&mut self.started)
    }

    fn end_of(&mut self, who: Who) -> Option<End> {
        let work = if who == Who::Runner { &mut self.runner } else { &mut self.compiler };
        work.as_mut().and_then(|work| work.reap(Waits::Yes))
    }

    fn timeout(&self) -> Option<Duration> {
        if self.is_frozen || self.runner.is_none() {
            return None;
        }
        let turn = self.duty.as_ref().map_or(u64::MAX, |_| self.next_turn);
        Some(Duration::from_nanos(turn.min(self.next_watch).saturating_sub(self.now())))
    }

    fn on_time(&mut self) {
        let clock = self.now();
        if self.is_frozen || self.runner.is_none() {
            return;
        }
        if self.duty.is_some() && clock >= self.next_turn {
            self.turn(clock);
        }
        if self.is_running && clock >= self.next_tick {
            self.next_tick = clock + TICK;
            self.page.ticks.fetch_add(1, Ordering::Relaxed);
        }
        if clock >= self.next_watch {
            self.next_watch = clock + WATCH;
            self.watch();
        }
    }

    fn cause_of(&self, end: End) -> Cause {
        match end {
            _ if self.over_memory => Cause::Memory,
            End::Exited(0) => Cause::None,
            _ => Cause::Crash,
        }
    }

    fn is_compiling(&self) -> bool {
        self.compiler.is_some()
    }
}
