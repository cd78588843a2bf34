//! Waits for bytes, ends and moments, and hands them to the session. One thread, no waiting anywhere else.

use super::machine::Machine;
use super::process::{End, Work};
use super::{sys, take_places};
use crate::session::{Containment, Outbox, Session};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const BUFFER_BYTES: usize = 64 * 1024;
/// Above this much unsent, the runner is not read: bounded memory, whoever is slow.
const MOST_UNSENT: usize = 256 * 1024;
const PR_SET_PDEATHSIG: i32 = 1;

/// Holds one task. Returns the exit code of the warden.
pub fn run() -> i32 {
    match hold() {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn hold() -> io::Result<()> {
    take_places()?;
    // What keeps the agent's session busy shall not keep us from freezing and killing; nor shall a terminal end us
    // before the agent does. It fails for the leader of a group, which the agent's child is not.
    let _ = sys::new_session();
    let agent = watch_parent()?;
    sys::set_nonblocking(0)?;
    sys::set_nonblocking(1)?;
    let mut machine = Machine::new()?;
    let mut session = Session::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    while !(session.is_over && session.to_agent.is_empty()) {
        let ready = wait(&mut session, &machine, agent.as_ref())?;
        machine.on_time();
        if ready.agent_gone {
            return Ok(());
        }
        if ready.agent_out && !flush(1, &mut session.to_agent)? {
            return Ok(());
        }
        if ready.agent_in {
            match read(0, &mut buffer)? {
                Some(0) => return Ok(()),
                Some(count) => session.on_agent(&buffer[..count], &mut machine).map_err(io::Error::other)?,
                None => {}
            }
        }
        serve_compiler(&mut session, &mut machine, &ready, &mut buffer)?;
        serve_runner(&mut session, &mut machine, &ready, &mut buffer)?;
    }
    Ok(())
}

/// Notices the death of the agent's process even where someone else holds the pipe. Being told, and not killed, leaves
/// the time to take the work along at once; where the kernel cannot tell, it kills.
fn watch_parent() -> io::Result<Option<OwnedFd>> {
    let parent = sys::parent_id();
    let watched = sys::pidfd(parent).ok();
    if watched.is_none() {
        sys::prctl_set(PR_SET_PDEATHSIG, sys::SIGKILL as u64, 0)?;
    }
    if sys::parent_id() == parent { Ok(watched) } else { Err(ErrorKind::BrokenPipe.into()) }
}

#[derive(Default)]
struct Ready {
    agent_in: bool,
    agent_out: bool,
    agent_gone: bool,
    runner_in: bool,
    runner_out: bool,
    compiler_in: bool,
    compiler_out: bool,
}

fn raw(fd: Option<&impl AsRawFd>) -> RawFd {
    fd.map_or(-1, AsRawFd::as_raw_fd)
}

/// Sleeps until there is something to do. A descriptor of −1 is one that nobody waits for.
fn wait(session: &mut Session, machine: &Machine, agent: Option<&OwnedFd>) -> io::Result<Ready> {
    let has_room = session.to_agent.len() < MOST_UNSENT;
    let runner = machine.runner.as_ref();
    let compiler = machine.compiler.as_ref();
    let when = |condition: bool, fd: RawFd| if condition { fd } else { -1 };
    let interest = [
        (when(!session.is_over && has_room, 0), sys::POLLIN),
        (1, if session.to_agent.is_empty() { 0 } else { sys::POLLOUT }),
        (when(has_room, raw(runner.and_then(|work| work.output.as_ref()))), sys::POLLIN),
        (when(session.for_runner().is_some(), raw(runner.and_then(|work| work.input.as_ref()))), sys::POLLOUT),
        (when(runner.is_some_and(|work| work.end.is_none()), raw(runner.map(|work| &work.pidfd))), sys::POLLIN),
        (raw(compiler.and_then(|work| work.output.as_ref())), sys::POLLIN),
        (when(!session.to_compiler.is_empty(), raw(compiler.and_then(|work| work.input.as_ref()))), sys::POLLOUT),
        (raw(agent), sys::POLLIN),
    ];
    let mut fds = interest.map(|(fd, events)| sys::PollFd { fd, events, revents: 0 });
    sys::poll(&mut fds, machine.timeout())?;
    let has = |index: usize| fds[index].revents != 0;
    Ok(Ready {
        agent_in: has(0),
        agent_out: fds[1].revents & sys::POLLOUT != 0,
        agent_gone: fds[1].revents & (sys::POLLERR | sys::POLLHUP) != 0 || has(7),
        runner_in: has(2),
        runner_out: has(3),
        compiler_in: has(5),
        compiler_out: has(6),
    })
}

fn serve_compiler(
    session: &mut Session,
    machine: &mut Machine,
    ready: &Ready,
    buffer: &mut [u8],
) -> io::Result<()> {
    let Some(work) = &mut machine.compiler else { return Ok(()) };
    if ready.compiler_out && !flush(raw(work.input.as_ref()), &mut session.to_compiler)? {
        // It is gone; its output tells.
        session.to_compiler.clear();
    }
    if !ready.compiler_in {
        return Ok(());
    }
    match read(raw(work.output.as_ref()), buffer)? {
        Some(0) => {
            let how = match work.reap(0) {
                Some(End::Exited(code)) => format!("exit code {code}"),
                Some(End::Signalled(signal)) => format!("signal {signal}"),
                None => "unknown".to_owned(),
            };
            session.on_compiler_end(&how, machine);
        }
        Some(count) => session.on_compiler(&buffer[..count], machine),
        None => {}
    }
    Ok(())
}

fn serve_runner(session: &mut Session, machine: &mut Machine, ready: &Ready, buffer: &mut [u8]) -> io::Result<()> {
    let Some(work) = &mut machine.runner else { return Ok(()) };
    if ready.runner_out {
        send(work, session)?;
    }
    if ready.runner_in {
        match read(raw(work.output.as_ref()), buffer)? {
            Some(0) => work.output = None,
            Some(count) => session.on_runner(&buffer[..count], machine),
            None => {}
        }
    }
    end_runner(session, machine);
    Ok(())
}

fn send(work: &mut Work, session: &mut Session) -> io::Result<()> {
    let Some(bytes) = session.for_runner() else { return Ok(()) };
    match write(raw(work.input.as_ref()), bytes)? {
        Some(count) => session.sent_to_runner(count),
        // It ended: its exit is what the agent will hear of.
        None => work.input = None,
    }
    Ok(())
}

/// Says EXIT when the runner's process is gone and its output read to the end.
fn end_runner(session: &mut Session, machine: &mut Machine) {
    let Some(work) = &mut machine.runner else { return };
    if session.is_over || work.reap(sys::WNOHANG).is_none() {
        return;
    }
    // What is killed may leave something behind in the pipe that nobody wants any more.
    let is_read = work.output.is_none() || session.cause != crate::session::Cause::None;
    if let (true, Some((end, _))) = (is_read, work.end) {
        let (code, signal) = match end {
            End::Exited(code) => (code as u32, 0),
            End::Signalled(signal) => (0, signal as u32),
        };
        let cause = machine.cause_of(end);
        machine.stop_compiler();
        session.on_runner_end(code, signal, cause, machine.usage());
    }
}

/// A file for a descriptor that belongs to someone else.
fn borrowed(fd: RawFd) -> ManuallyDrop<File> {
    // SAFETY: the caller's descriptor is open; the file never closes it.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd) })
}

/// Bytes read, 0 at the end, `None` when there is nothing now.
fn read(fd: RawFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match borrowed(fd).read(buffer) {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// Bytes written, `None` when nobody reads any more.
fn write(fd: RawFd, bytes: &[u8]) -> io::Result<Option<usize>> {
    match borrowed(fd).write(bytes) {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(Some(0)),
        Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes what fits and keeps the rest; false when nobody reads any more.
fn flush(fd: RawFd, outbox: &mut Outbox) -> io::Result<bool> {
    Ok(match write(fd, outbox.front())? {
        Some(count) => {
            outbox.advance(count);
            true
        }
        None => false,
    })
}
