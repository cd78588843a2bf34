//! Waits for bytes, ends and moments, and hands them to the session: for systems where pipes are best waited for by a thread each.
//!
//! Threads only read, write and wait. A reader has one permit at a time and a writer one chunk, so that what is in memory
//! stays bounded, whoever is slow. The session and the processes belong to the thread that calls [`hold`].

mod pipes;
// Over sockets, which are files on these systems.
#[cfg(all(test, unix))]
mod tests;

use crate::session::{Cause, Containment, Outbox, Session};
use pipes::{Input, Output, Reader, Writer};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Above this much unsent, nobody is read: bounded memory, whoever is slow.
const MOST_UNSENT: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Runner,
    Compiler,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(u32),
    #[cfg_attr(target_os = "windows", expect(dead_code, reason = "Windows has no signals"))]
    Signalled(u32),
}

/// Returns when something ended.
pub type Wait = Box<dyn FnOnce() + Send>;

/// A process just started: the ends of its pipes, and how to wait for its end without collecting it.
pub struct Started {
    pub who: Who,
    pub input: Input,
    pub output: Output,
    pub wait: Wait,
}

/// What the loop needs beside what the session needs.
pub trait Processes: Containment {
    /// What was started since the last call.
    fn take_started(&mut self) -> Vec<Started>;
    /// How the process ended; `None` when it runs, was stopped by the session, or never started.
    fn end_of(&mut self, who: Who) -> Option<End>;
    /// Until [`Self::on_time`] wants to be called.
    fn timeout(&self) -> Option<Duration>;
    fn on_time(&mut self);
    /// Why the runner ended that way, beside what the session knows.
    fn cause_of(&self, end: End) -> Cause;
    /// Whether a compiling child is there: what a stopped one said last is nobody's.
    fn is_compiling(&self) -> bool;
}

/// The agent's side: its bytes, and a way to hear of its death beside the end of its bytes.
pub struct Agent {
    pub input: Output,
    pub output: Input,
    pub death: Option<Wait>,
}

enum Event {
    AgentSaid(Vec<u8>),
    AgentGone,
    AgentTook(usize),
    Said(Who, Vec<u8>),
    Silent(Who),
    Took(Who, usize),
    /// It reads no more.
    Deaf(Who),
    Ended(Who),
}

struct Pipes {
    reader: Reader,
    writer: Option<Writer>,
    is_silent: bool,
    has_ended: bool,
}

struct Loop {
    session: Session,
    sender: Sender<Event>,
    events: Receiver<Event>,
    agent_reader: Reader,
    agent_writer: Writer,
    runner: Option<Pipes>,
    compiler: Option<Pipes>,
}

/// Holds one task until its end was told or the agent is gone.
///
/// # Errors
/// The agent broke PROTOCOL.md: nothing can be said to it any more.
pub fn hold(processes: &mut impl Processes, agent: Agent) -> io::Result<()> {
    let (sender, events) = channel();
    let said = |bytes: Option<Vec<u8>>| bytes.map_or(Event::AgentGone, Event::AgentSaid);
    let took = |count: Option<usize>| count.map_or(Event::AgentGone, Event::AgentTook);
    if let Some(death) = agent.death {
        let sender = sender.clone();
        thread::spawn(move || {
            death();
            let _ = sender.send(Event::AgentGone);
        });
    }
    let mut held = Loop {
        session: Session::new(),
        agent_reader: Reader::start(agent.input, sender.clone(), said),
        agent_writer: Writer::start(agent.output, sender.clone(), took),
        sender,
        events,
        runner: None,
        compiler: None,
    };
    while !(held.session.is_over && held.session.to_agent.is_empty()) {
        held.offer();
        let event = match processes.timeout() {
            Some(timeout) => held.events.recv_timeout(timeout),
            None => held.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        processes.on_time();
        match event {
            Ok(Event::AgentGone) => return Ok(()),
            Ok(event) => held.on(event, processes).map_err(io::Error::other)?,
            // The loop itself holds a sender: what is left is that nothing came in time.
            Err(_) => {}
        }
        held.adopt(processes);
        held.end_runner(processes);
    }
    Ok(())
}

impl Loop {
    /// Lets everybody read and write that may.
    fn offer(&mut self) {
        let has_room = self.session.to_agent.len() < MOST_UNSENT;
        self.agent_writer.offer(Some(self.session.to_agent.front()));
        if has_room && !self.session.is_over {
            self.agent_reader.permit();
        }
        if let Some(runner) = &mut self.runner {
            if has_room {
                runner.reader.permit();
            }
            if let Some(writer) = &mut runner.writer {
                writer.offer(self.session.for_runner());
            }
        }
        if let Some(compiler) = &mut self.compiler {
            compiler.reader.permit();
            if let Some(writer) = &mut compiler.writer {
                writer.offer(Some(self.session.to_compiler.front()));
            }
        }
    }

    fn on(&mut self, event: Event, processes: &mut impl Processes) -> Result<(), String> {
        match event {
            Event::AgentSaid(bytes) => {
                self.agent_reader.is_due = true;
                self.session.on_agent(&bytes, processes)?;
            }
            Event::AgentTook(count) => took(&mut self.session.to_agent, &mut self.agent_writer, count),
            Event::Said(Who::Runner, bytes) => {
                self.due(Who::Runner);
                self.session.on_runner(&bytes, processes);
            }
            Event::Said(Who::Compiler, bytes) => {
                self.due(Who::Compiler);
                if processes.is_compiling() {
                    self.session.on_compiler(&bytes, processes);
                }
            }
            Event::Silent(who) => {
                self.pipes(who).iter_mut().for_each(|pipes| pipes.is_silent = true);
                self.end_compiler(who, processes);
            }
            Event::Took(Who::Runner, count) => {
                self.session.sent_to_runner(count);
                self.free(Who::Runner);
            }
            Event::Took(Who::Compiler, count) => {
                self.session.to_compiler.advance(count);
                self.free(Who::Compiler);
            }
            // It ended, or is about to: its end is what will be told.
            Event::Deaf(who) => self.pipes(who).iter_mut().for_each(|pipes| pipes.writer = None),
            Event::Ended(who) => {
                self.pipes(who).iter_mut().for_each(|pipes| pipes.has_ended = true);
                self.end_compiler(who, processes);
            }
            Event::AgentGone => {}
        }
        Ok(())
    }

    fn pipes(&mut self, who: Who) -> &mut Option<Pipes> {
        match who {
            Who::Runner => &mut self.runner,
            Who::Compiler => &mut self.compiler,
        }
    }

    fn due(&mut self, who: Who) {
        self.pipes(who).iter_mut().for_each(|pipes| pipes.reader.is_due = true);
    }

    fn free(&mut self, who: Who) {
        self.pipes(who)
            .iter_mut()
            .filter_map(|pipes| pipes.writer.as_mut())
            .for_each(|writer| writer.is_free = true);
    }

    /// Gives every new process its three threads.
    fn adopt(&mut self, processes: &mut impl Processes) {
        for Started { who, input, output, wait } in processes.take_started() {
            let said =
                move |bytes: Option<Vec<u8>>| bytes.map_or(Event::Silent(who), |bytes| Event::Said(who, bytes));
            let took = move |count: Option<usize>| count.map_or(Event::Deaf(who), |count| Event::Took(who, count));
            let pipes = Pipes {
                reader: Reader::start(output, self.sender.clone(), said),
                writer: Some(Writer::start(input, self.sender.clone(), took)),
                is_silent: false,
                has_ended: false,
            };
            let sender = self.sender.clone();
            thread::spawn(move || {
                wait();
                let _ = sender.send(Event::Ended(who));
            });
            *self.pipes(who) = Some(pipes);
        }
    }

    /// A compiling child that is gone without a last word.
    fn end_compiler(&mut self, who: Who, processes: &mut impl Processes) {
        let is_over = self.compiler.as_ref().is_some_and(|pipes| pipes.is_silent && pipes.has_ended);
        if who != Who::Compiler || !is_over || !processes.is_compiling() {
            return;
        }
        let how = match processes.end_of(Who::Compiler) {
            Some(End::Exited(code)) => format!("exit code {code}"),
            Some(End::Signalled(signal)) => format!("signal {signal}"),
            None => "unknown".to_owned(),
        };
        self.session.on_compiler_end(&how, processes);
    }

    /// Says EXIT when the runner's process is gone and its output read to the end.
    fn end_runner(&mut self, processes: &mut impl Processes) {
        let Some(runner) = &self.runner else { return };
        // What is killed may leave something behind in the pipe that nobody wants any more.
        let is_read = runner.is_silent || self.session.cause != Cause::None;
        if self.session.is_over || !runner.has_ended || !is_read {
            return;
        }
        let Some(end) = processes.end_of(Who::Runner) else { return };
        let (code, signal) = match end {
            End::Exited(code) => (code, 0),
            End::Signalled(signal) => (0, signal),
        };
        let cause = processes.cause_of(end);
        processes.stop_compiler();
        self.session.on_runner_end(code, signal, cause, processes.usage());
    }
}

fn took(outbox: &mut Outbox, writer: &mut Writer, count: usize) {
    outbox.advance(count);
    writer.is_free = true;
}
