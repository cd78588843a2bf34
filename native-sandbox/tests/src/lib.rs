//! A client of PROTOCOL.md, small enough to be an example of one, and modules to run.

pub use wat;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub const TASK: u8 = 65;
pub const FREEZE: u8 = 66;
pub const THAW: u8 = 67;
pub const KILL: u8 = 68;
pub const USAGE: u8 = 69;
pub const REPORT: u8 = 80;
pub const FROZEN: u8 = 83;
pub const THAWED: u8 = 84;
pub const USED: u8 = 85;
pub const EXIT: u8 = 86;
pub const REFUSED: u8 = 87;
const RUNNER: u8 = 81;

pub const INPUT: u8 = 3;
pub const CHECKPOINT: u8 = 4;
pub const GO: u8 = 5;
pub const SUSPEND: u8 = 6;
pub const RESULT: u8 = 9;
pub const FAULT: u8 = 10;
const LOAD: u8 = 2;
const CHUNK: usize = 64 * 1024;

/// Set by test/native: nothing may be missing then.
const EVERYTHING: &str = "ASKEE_TEST_EVERYTHING";

/// Says that something was not tried and why, where it is seen: what `eprintln!` says of a test that passes is thrown away.
///
/// # Panics
/// Where `ASKEE_TEST_EVERYTHING` is set: nobody reads there what a passing test says.
pub fn not_run(why: &str) {
    assert!(std::env::var_os(EVERYTHING).is_none(), "{EVERYTHING} is set, and this cannot be tried: {why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "{test}: not run here: {why}");
}

/// A program of `node scripts/build-native.ts`.
///
/// # Panics
/// When it was not built.
pub fn program(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/release").join(name);
    assert!(path.exists(), "build first: node scripts/build-native.ts");
    path
}

pub fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small payloads");
    [&[0x41, 0x4b, 1, kind][..], &length.to_le_bytes(), payload].concat()
}

pub struct Limits {
    pub fuel: u64,
    pub memory_bytes: u64,
    pub output_bytes: u32,
    pub state_words: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 1 << 62, memory_bytes: 1 << 20, output_bytes: 1 << 20, state_words: 0 }
    }
}

/// LOAD, INPUT and, where given, CHECKPOINT; not yet GO.
pub fn task(module: &[u8], input: &[u8], state: Option<&[u8]>, limits: &Limits) -> Vec<u8> {
    let numbers = [limits.output_bytes, 65_536, limits.state_words].map(u32::to_le_bytes).concat();
    let load = [&limits.fuel.to_le_bytes()[..], &limits.memory_bytes.to_le_bytes(), &numbers, module].concat();
    let mut stream = [frame(LOAD, &load), frame(INPUT, input)].concat();
    if let Some(state) = state {
        stream.extend(frame(CHECKPOINT, state));
    }
    stream
}

pub struct Warden {
    pub child: Child,
    inner: Vec<u8>,
    frames: VecDeque<(u8, Vec<u8>)>,
}

impl Warden {
    pub fn start(policy: &str) -> Self {
        Self::of(Command::new(program("askee-warden")), policy)
    }

    /// After `ulimit LIMIT`, such as `-d 100000`, of hard and soft limit.
    pub fn start_limited(limit: &str, policy: &str) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("ulimit {limit} && exec \"$0\"")]).arg(program("askee-warden"));
        Self::of(shell, policy)
    }

    /// By a command that becomes a warden.
    ///
    /// # Panics
    /// When it does not start.
    pub fn of(mut command: Command, policy: &str) -> Self {
        let child = command
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a warden that starts");
        let mut warden = Self { child, inner: Vec::new(), frames: VecDeque::new() };
        warden.send(&frame(64, policy.as_bytes()));
        warden
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // What has ended does not listen; the test looks at what it said.
        let _ = self.child.stdin.as_mut().expect("piped").write_all(bytes);
    }

    /// Bytes of the task's stream.
    pub fn send_task(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(CHUNK) {
            self.send(&frame(TASK, chunk));
        }
    }

    /// Next frame of the warden; `None` when it is gone.
    pub fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let output = self.child.stdout.as_mut().expect("piped");
        let mut header = [0; 8];
        output.read_exact(&mut header).ok()?;
        let mut payload = vec![0; u32::from_le_bytes(header[4..].try_into().ok()?) as usize];
        output.read_exact(&mut payload).ok()?;
        if header[3] == RUNNER {
            self.inner.extend_from_slice(&payload);
            self.split();
        }
        Some((header[3], payload))
    }

    fn split(&mut self) {
        while self.inner.len() >= 8 {
            let length = u32::from_le_bytes(self.inner[4..8].try_into().expect("4 bytes")) as usize;
            if self.inner.len() < 8 + length {
                return;
            }
            let rest = self.inner.split_off(8 + length);
            self.frames.push_back((self.inner[3], self.inner[8..].to_vec()));
            self.inner = rest;
        }
    }

    /// The warden's next frame of this type.
    pub fn until(&mut self, kind: u8) -> Vec<u8> {
        loop {
            match self.next_frame() {
                Some((found, payload)) if found == kind => return payload,
                Some((EXIT | REFUSED, payload)) => {
                    panic!("ended: {payload:?} {}", String::from_utf8_lossy(&payload))
                }
                Some(_) => {}
                None => panic!("the warden is gone"),
            }
        }
    }

    /// The runner's last word: RESULT, CHECKPOINT or FAULT; or EXIT when it had none.
    pub fn outcome(&mut self) -> (u8, Vec<u8>) {
        self.last_word().expect("a warden that is not gone")
    }

    /// As [`Self::outcome`]; `None` when the warden ended without a word.
    pub fn last_word(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            while let Some(frame) = self.frames.pop_front() {
                if matches!(frame.0, RESULT | CHECKPOINT | FAULT) {
                    return Some(frame);
                }
            }
            let frame = self.next_frame()?;
            if matches!(frame.0, EXIT | REFUSED) {
                return Some(frame);
            }
        }
    }

    /// Payload of EXIT.
    pub fn until_exit(&mut self) -> Vec<u8> {
        loop {
            match self.next_frame() {
                Some((EXIT, payload)) => return payload,
                Some(_) => {}
                None => panic!("the warden is gone"),
            }
        }
    }

    /// Until the runner has said HELLO.
    pub fn until_hello(&mut self) {
        while self.frames.is_empty() {
            self.until(RUNNER);
        }
    }

    /// Processor time used, in µs.
    pub fn used(&mut self) -> u64 {
        self.usage()[0]
    }

    /// The numbers of USED: processor time in µs, resident and peak bytes, times stopped for `cpu-percent`.
    pub fn usage(&mut self) -> [u64; 4] {
        self.send(&frame(USAGE, &[]));
        let payload = self.until(USED);
        [0, 8, 16, 24].map(|at| u64::from_le_bytes(payload[at..at + 8].try_into().expect("8 bytes")))
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Trap code, fuel and output of a RESULT.
pub fn result((kind, payload): &(u8, Vec<u8>)) -> (u8, u64, Vec<u8>) {
    assert_eq!(*kind, RESULT, "expected a result, received {kind}: {}", String::from_utf8_lossy(payload));
    let fuel = u64::from_le_bytes(payload[1..9].try_into().expect("8 bytes"));
    (payload[0], fuel, payload[25..].to_vec())
}

/// A module as the determinism pass would put it out, whose counters do not count by themselves.
pub fn module(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "askee" "input_size" (func $input_size (result i32)))
        (import "askee" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
        (import "askee" "output_write" (func $output_write (param i32 i32)))
        (import "askee" "log" (func $log (param i32 i32)))
        (memory (export "memory") 1 4)
        (global $fuel (export "askee_fuel") (mut i64) (i64.const 0))
        (global $stack (export "askee_stack") (mut i32) (i32.const 1000))
        {body})"#
    );
    wat::parse_str(text).expect("a module")
}

/// A module whose `run` is `instructions`.
pub fn run(instructions: &str) -> Vec<u8> {
    module(&format!(r#"(func (export "run") {instructions})"#))
}

/// Long functions of values that all stay alive: small to send, seconds to compile, and in more than 64 MiB.
pub fn compile_bomb() -> Vec<u8> {
    const LOCALS: usize = 400;
    let mut body = String::new();
    for at in 0..20_000 {
        let [a, b, c] = [at * 7, at * 13 + 1, at * 29 + 2].map(|index| index % LOCALS);
        body += &format!("local.get {a} local.get {b} i64.mul local.get {c} i64.xor local.set {a}\n");
        if at % 8 == 0 {
            body += &format!("(if (i64.eqz (local.get {c})) (then (local.set {c} (local.get {b}))))\n");
        }
    }
    let function = format!(r#"(func (local {}) {body})"#, "i64 ".repeat(LOCALS));
    module(&format!(r#"{} (func (export "run"))"#, function.repeat(6)))
}

/// Runs it under a warden that demands the contained tier.
pub fn outcome_of(module: &[u8], input: &[u8], limits: &Limits) -> (u8, Vec<u8>) {
    let mut warden = Warden::start("");
    warden.send_task(&task(module, input, None, limits));
    warden.send_task(&frame(GO, &[]));
    warden.outcome()
}
