//! Test builds only: native code in the runner's place, one attempt a process. See ../../../../README.md.

use super::machine::{Machine, now};
use super::process::{self, Confinement, End, Spec};
use super::rlimits::Bounds;
use super::{namespaces, open_runner, sys, take_places};
use crate::policy::{ListedFile, Policy, Profile};
use crate::report::escape;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;

const MEMORY_BYTES: u64 = 64 << 20;
const SIGSYS: i32 = 31;
/// In nanoseconds. An attempt that counts while it waits for the watch needs many seconds on a busy machine.
const LONGEST: u64 = 100_000_000_000;

/// `[NAME | NUMBER]… [--v8] [--unsealed | --no-seccomp | --no-seal | --no-containment]`: as V8 is held; of a runner that was taken over while
/// it loads, and seals itself never; without the two filters; also without what the runner gives up by itself, so that namespaces and Landlock stand
/// alone; without anything (the control). One line of JSON an attempt. Exit code 0 when all were carried out.
pub fn escape_test(arguments: &[String]) -> i32 {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let (confinement, mode) = if has("--no-containment") {
        (Confinement::None, "none")
    } else if has("--no-seal") {
        (Confinement::WithoutSeccomp, "not-sealed")
    } else if has("--no-seccomp") {
        (Confinement::WithoutSeccomp, "no-filter")
    } else if has("--unsealed") {
        (Confinement::Full, "unsealed")
    } else {
        (Confinement::Full, "full")
    };
    if take_places().is_err() {
        return 1;
    }
    let names = match wanted(arguments) {
        Ok(names) => names,
        Err(why) => {
            eprintln!("{why}");
            return 2;
        }
    };
    let outside = match Outside::prepare() {
        Ok(outside) => outside,
        Err(why) => {
            eprintln!("nothing to reach outside: {why}");
            return 1;
        }
    };
    // Without containment there is no root for its files, and nothing that differs.
    let is_v8 = has("--v8") && confinement != Confinement::None;
    let profile = if is_v8 { Profile::V8 } else { Profile::Wasmtime };
    let mode = if is_v8 { format!("v8-{mode}") } else { mode.to_owned() };
    let mut code = 0;
    for name in &names {
        match attempt([name, &mode, &outside.token], profile, confinement) {
            Ok((outcome, by)) => println!(
                "{{\"attempt\":\"{}\",\"mode\":\"{mode}\",\"escaped\":{},\"by\":\"{by}\",\"outcome\":\"{}\"}}",
                escape(name),
                outcome.starts_with("SUCCEEDED"),
                escape(&outcome)
            ),
            Err(why) => {
                eprintln!("{name}: {why}");
                code = 1;
            }
        }
    }
    drop(outside);
    code
}

fn escape_program() -> Result<PathBuf, String> {
    let beside = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(beside.with_file_name("askee-escape"))
}

/// The attempts that were asked for by name or number; all when none was.
fn wanted(arguments: &[String]) -> Result<Vec<String>, String> {
    let program = escape_program()?;
    let list = std::process::Command::new(program).arg("list").output().map_err(|error| error.to_string())?;
    let known = String::from_utf8(list.stdout).map_err(|error| error.to_string())?;
    let asked: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let is_asked = |name: &str| {
        asked.is_empty()
            || asked.iter().any(|asked| name == *asked || name.split('-').next() == Some(asked.as_str()))
    };
    Ok(known.lines().filter(|name| is_asked(name)).map(str::to_owned).collect())
}

/// Things outside that an attempt tries to reach, under names of this run alone: another may be under way.
struct Outside {
    token: String,
    listener: PathBuf,
    _listeners: [UnixListener; 2],
    shared_memory: i64,
}

impl Outside {
    fn prepare() -> io::Result<Self> {
        let (number, shared_memory) = draw_token()?;
        let token = format!("{number:016x}");
        let listener = PathBuf::from(format!("/tmp/askee-escape-{token}-listener"));
        let name = SocketAddr::from_abstract_name(format!("askee-escape-{token}"))?;
        let listeners = [UnixListener::bind_addr(&name)?, UnixListener::bind(&listener)?];
        // A session keyring of our own, gone with us, with a key in it.
        namespaces::leave_keyring()?;
        const ADD_KEY: i64 = 248;
        const SESSION: i64 = -3;
        let (kind, name) = (c"user", c"askee-escape");
        // SAFETY: C strings, one byte of payload, its length, a keyring.
        let key = unsafe { sys::syscall(ADD_KEY, kind.as_ptr(), name.as_ptr(), name.as_ptr(), 1usize, SESSION) };
        sys::check(key)?;
        Ok(Self { token, listener, _listeners: listeners, shared_memory })
    }
}

/// A number that no other run has, and a piece of System V shared memory whose key its low 31 bits are.
fn draw_token() -> io::Result<(u64, i64)> {
    const SHMGET: i64 = 29;
    const CREATE_NEW: u64 = 0o3666;
    const EEXIST: i32 = 17;
    loop {
        let token = RandomState::new().build_hasher().finish();
        let key = token & 0x7fff_ffff;
        match sys::call(SHMGET, key, 4096, CREATE_NEW) {
            // 0 would be nobody's: each who asks gets another piece.
            Ok(piece) if key != 0 => return Ok((token, piece)),
            Ok(piece) => remove_shared_memory(piece),
            Err(error) if error.raw_os_error() == Some(EEXIST) => {}
            Err(error) => return Err(error),
        }
    }
}

fn remove_shared_memory(piece: i64) {
    const SHMCTL: i64 = 31;
    let _ = sys::call(SHMCTL, piece as u64, 0, 0);
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.listener);
        remove_shared_memory(self.shared_memory);
    }
}

/// What a V8 has in its root: something to read, and something to execute.
fn listed(profile: Profile) -> Result<Vec<ListedFile>, String> {
    if profile == Profile::Wasmtime {
        return Ok(Vec::new());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let file = |inside: &str, outside, executes| ListedFile { inside: inside.to_owned(), outside, executes };
    Ok(vec![file("/lib64/interpreter", escape_program()?, true), file("/lib/listed", own, false)])
}

/// What it said, and what stopped it.
fn attempt(words: [&str; 3], profile: Profile, confinement: Confinement) -> Result<(String, String), String> {
    let program = open_runner(&Policy { runner: Some(escape_program()?), ..Policy::default() })?;
    let threads = if profile == Profile::V8 { 8 } else { 0 };
    let [name, mode, token] = words;
    let spec = Spec {
        program: &program,
        arguments: &["askee-escape", name, mode, token],
        profile,
        files: &listed(profile)?,
        bounds: Bounds { memory_bytes: MEMORY_BYTES, cpu_seconds: None, threads },
        control: None,
        group: None,
        confinement,
        drafts: None,
    };
    let mut work = process::start(&spec).map_err(|error| error.to_string())?;
    let output = work.output.take().ok_or("no output")?;
    let mut machine = Machine::new().map_err(|error| error.to_string())?;
    if confinement != Confinement::None {
        machine.watch(work, MEMORY_BYTES);
    } else {
        machine.watch(work, u64::MAX);
    }
    let start = now();
    while let Some(work) = &mut machine.runner {
        if work.reap(sys::WNOHANG).is_some() {
            break;
        }
        if now() - start > LONGEST {
            // Nothing stopped it and it did not succeed: nothing was shown.
            return Err(format!("not at its end after {} s", LONGEST / 1_000_000_000));
        }
        let mut ready =
            [sys::PollFd { fd: std::os::fd::AsRawFd::as_raw_fd(&work.pidfd), events: sys::POLLIN, revents: 0 }];
        sys::poll(&mut ready, machine.timeout()).map_err(|error| error.to_string())?;
        machine.on_time();
    }
    let mut said = String::new();
    match std::fs::File::from(output).read_to_string(&mut said) {
        // It has ended and what it said is read. A child that it left behind, in a control, still holds the other end.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        read => drop(read.map_err(|error| error.to_string())?),
    }
    let said = said.trim().to_owned();
    let end = machine.runner.as_ref().and_then(|work| work.end).map(|(end, _)| end);
    let by = match end {
        Some(End::Signalled(SIGSYS)) => "seccomp".to_owned(),
        _ if machine.over_memory => "memory-watch".to_owned(),
        Some(End::Signalled(signal)) => format!("signal {signal}"),
        _ => match said.strip_prefix("blocked errno ").map(str::parse) {
            Some(Ok(error)) => std::io::Error::from_raw_os_error(error).to_string(),
            _ => "nothing".to_owned(),
        },
    };
    let outcome = if said.is_empty() { format!("killed: {by}") } else { said };
    Ok((outcome, by))
}
