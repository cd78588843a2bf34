//! One task from POLICY to EXIT, without any I/O: bytes and ends come in, bytes go out, and the platform is told what to do.

mod compiling;
mod containment;
mod outbox;
mod runner_stream;
mod task_stream;

use crate::cache::{self, Cache, Found};
use crate::frames::{CHUNK_BYTES, Piece, Splitter, encode, inner, outer};
use crate::policy::{self, Policy, Profile};
use compiling::{Compiled, CompilerStream};
pub use containment::{Cause, Containment, Usage};
pub use outbox::Outbox;
use runner_stream::{RunnerEvent, RunnerStream};
use task_stream::{TaskEvent, TaskStream};

const FAULT_ENGINE: u8 = 0;
const FAULT_MODULE: u8 = 2;
const LOAD_HEADER_BYTES: usize = 28;
/// What the agent may send before it gets credit.
pub const WINDOW_BYTES: usize = 1024 * 1024;

pub struct Session {
    policy: Option<Policy>,
    agent: Splitter,
    control: Vec<u8>,
    task: TaskStream,
    runner: RunnerStream,
    compiler: CompilerStream,
    pub to_compiler: Outbox,
    pub to_agent: Outbox,
    engine: Vec<u8>,
    load: Vec<u8>,
    /// Why the session ended before its runner did.
    pub cause: Cause,
    pub is_over: bool,
}

impl Session {
    pub fn new() -> Self {
        Self {
            policy: None,
            agent: Splitter::default(),
            control: Vec::new(),
            task: TaskStream::new(),
            runner: RunnerStream::new(0),
            compiler: CompilerStream::default(),
            to_compiler: Outbox::default(),
            to_agent: Outbox::default(),
            engine: Vec::new(),
            load: Vec::new(),
            cause: Cause::None,
            is_over: false,
        }
    }

    /// # Errors
    /// What the agent sent is not of PROTOCOL.md: nothing can be said to it any more.
    pub fn on_agent(&mut self, mut bytes: &[u8], host: &mut impl Containment) -> Result<(), String> {
        let has_policy = self.policy.is_some();
        let cap = |kind| match kind {
            outer::POLICY if !has_policy => Some(policy::MOST_BYTES),
            outer::TASK if has_policy => Some(CHUNK_BYTES),
            outer::FREEZE | outer::THAW | outer::KILL | outer::USAGE if has_policy => Some(0),
            _ => None,
        };
        while let Some(piece) = self.agent.next(&mut bytes, cap)? {
            match piece {
                Piece::Header { .. } => self.control.clear(),
                // After POLICY only TASK has a payload.
                Piece::Payload(part) if has_policy => self.on_task(part, host)?,
                Piece::Payload(part) => self.control.extend_from_slice(part),
                Piece::End(kind) => self.on_control(kind, host)?,
            }
            if self.is_over || (self.policy.is_some() && !has_policy) {
                break;
            }
        }
        if !bytes.is_empty() && !self.is_over {
            return self.on_agent(bytes, host);
        }
        self.give_credit();
        Ok(())
    }

    fn on_control(&mut self, kind: u8, host: &mut impl Containment) -> Result<(), String> {
        match kind {
            outer::POLICY => self.on_policy(host),
            outer::FREEZE => {
                let after = host.freeze()?;
                self.say(outer::FROZEN, &after.to_le_bytes());
            }
            outer::THAW => {
                host.thaw()?;
                self.say(outer::THAWED, &[]);
            }
            outer::KILL => self.end(Cause::Killed, host),
            outer::USAGE => self.say_usage(host.usage()),
            _ => {}
        }
        Ok(())
    }

    fn on_policy(&mut self, host: &mut impl Containment) {
        let policy = match Policy::parse(&self.control) {
            Ok(policy) => policy,
            Err(why) => return self.refuse("policy", &why),
        };
        let report = match host.start(&policy) {
            Ok(report) => report,
            Err(why) => return self.refuse("start", &why),
        };
        self.say(outer::REPORT, report.to_json().as_bytes());
        if !policy.tier.is_met_by(report.tier()) {
            host.kill();
            return self.refuse("tier", &report.lacking());
        }
        self.runner = RunnerStream::new(policy.output_bytes as usize);
        self.compiler = CompilerStream::new(policy.compile_memory_bytes);
        self.task.passes_suspend = policy.profile == Profile::V8;
        self.policy = Some(policy);
    }

    fn on_task(&mut self, bytes: &[u8], host: &mut impl Containment) -> Result<(), String> {
        for event in self.task.push(bytes)? {
            match event {
                TaskEvent::Loaded(load) => {
                    self.load = load;
                    if let Err(why) = self.compile(host) {
                        self.fault(fault_payload(FAULT_ENGINE, &why), host);
                        return Ok(());
                    }
                }
                TaskEvent::Suspend => host.request_suspend(),
            }
        }
        Ok(())
    }

    /// Finds the module compiled, or has it compiled. Waits for HELLO, which says for which engine.
    fn compile(&mut self, host: &mut impl Containment) -> Result<(), String> {
        if self.engine.is_empty() || self.load.is_empty() {
            return Ok(());
        }
        let Some(policy) = &self.policy else { return Ok(()) };
        host.work_begins();
        if policy.profile == Profile::V8 {
            self.task.release_uncompiled(std::mem::take(&mut self.load));
            return Ok(());
        }
        let module = module_of(&self.load)?;
        if let (Some(directory), Some(key)) = (&policy.cache_directory, &policy.cache_key) {
            let identity = cache::identity(&self.engine, module);
            if let Found::Compiled(bytes) = Cache::new(directory, key).get(&identity) {
                self.task.release(bytes, std::mem::take(&mut self.load));
                return Ok(());
            }
        }
        self.to_compiler.push(encode(inner::MODULE, module));
        host.start_compiler(policy)
    }

    pub fn on_compiler(&mut self, bytes: &[u8], host: &mut impl Containment) {
        match self.compiler.push(bytes) {
            Ok(None) => {}
            Ok(Some(Compiled::Module(compiled))) => {
                host.stop_compiler();
                self.keep(&compiled);
                self.task.release(compiled, std::mem::take(&mut self.load));
            }
            Ok(Some(Compiled::Fault(fault))) => self.fault(fault, host),
            Err(why) => self.fault(fault_payload(FAULT_ENGINE, &format!("compiler: {why}")), host),
        }
    }

    /// The compiling child ended without a word: it was over its limits, or broken by the module.
    pub fn on_compiler_end(&mut self, how: &str, host: &mut impl Containment) {
        self.fault(
            fault_payload(FAULT_MODULE, &format!("the module could not be compiled within limits: {how}")),
            host,
        );
    }

    /// Keeping a compiled module is worth no failure: it can be compiled again.
    fn keep(&self, compiled: &[u8]) {
        let Some(policy) = &self.policy else { return };
        let (Some(directory), Some(key)) = (&policy.cache_directory, &policy.cache_key) else { return };
        let Ok(module) = module_of(&self.load) else { return };
        let _ = Cache::new(directory, key).put(&cache::identity(&self.engine, module), compiled);
    }

    /// Says FAULT in the runner's place.
    fn fault(&mut self, payload: Vec<u8>, host: &mut impl Containment) {
        self.say(outer::RUNNER, &encode(inner::FAULT, &payload));
        self.end(Cause::Killed, host);
    }

    pub fn on_runner(&mut self, bytes: &[u8], host: &mut impl Containment) {
        if self.cause != Cause::None {
            return;
        }
        let events = match self.runner.push(bytes, &mut self.to_agent) {
            Ok(events) => events,
            Err(_) => return self.end(Cause::Protocol, host),
        };
        for event in events {
            match event {
                RunnerEvent::Hello(engine) => {
                    self.engine = engine;
                    if let Err(why) = self.compile(host) {
                        self.fault(fault_payload(FAULT_ENGINE, &why), host);
                    }
                }
                RunnerEvent::Ready if host.is_sealed() => {
                    self.task.open();
                    host.task_began();
                }
                RunnerEvent::Ready => self.end(Cause::NotSealed, host),
                RunnerEvent::Ended => {}
            }
        }
    }

    /// The runner is gone and all it said was read. `signal` is 0 when it exited.
    pub fn on_runner_end(&mut self, code: u32, signal: u32, cause: Cause, usage: Usage) {
        self.say_usage(usage);
        let cause = if self.cause == Cause::None { cause } else { self.cause };
        let mut payload = vec![u8::from(signal != 0)];
        payload.extend((if signal == 0 { code } else { signal }).to_le_bytes());
        payload.push(cause as u8);
        self.say(outer::EXIT, &payload);
        self.is_over = true;
    }

    pub fn end(&mut self, cause: Cause, host: &mut impl Containment) {
        if self.cause == Cause::None {
            self.cause = cause;
        }
        host.stop_compiler();
        host.kill();
    }

    fn refuse(&mut self, what: &str, why: &str) {
        let mut text = format!("{what}: {why}");
        text.truncate((0..=4000).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0));
        self.say(outer::REFUSED, text.as_bytes());
        self.is_over = true;
    }

    fn say(&mut self, kind: u8, payload: &[u8]) {
        self.to_agent.push(encode(kind, payload));
    }

    fn say_usage(&mut self, usage: Usage) {
        let fields = [usage.processor_us, usage.resident_bytes, usage.peak_bytes, usage.throttled];
        self.say(outer::USED, &fields.map(u64::to_le_bytes).concat());
    }

    fn give_credit(&mut self) {
        if self.task.credit >= WINDOW_BYTES / 4 {
            let credit = std::mem::take(&mut self.task.credit) as u32;
            self.say(outer::CREDIT, &credit.to_le_bytes());
        }
    }

    /// What can be written to the runner now.
    pub fn for_runner(&mut self) -> Option<&[u8]> {
        self.task.front()
    }

    pub fn sent_to_runner(&mut self, count: usize) {
        self.task.advance(count);
        self.give_credit();
    }
}

fn fault_payload(code: u8, text: &str) -> Vec<u8> {
    let mut payload = vec![code];
    payload.extend(text.bytes().take(1000));
    payload
}

/// The module at the end of a LOAD.
fn module_of(load: &[u8]) -> Result<&[u8], String> {
    load.get(LOAD_HEADER_BYTES..).ok_or_else(|| "expected a LOAD with its fields".to_owned())
}

#[cfg(test)]
mod tests;
