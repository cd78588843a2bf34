//! The loop against scripted processes over real sockets: both ends are files, as pipes are.

use super::{Agent, End, Processes, Started, Who, hold};
use crate::frames::{Piece, Splitter, encode, inner, outer};
use crate::policy::Policy;
use crate::report::{Layer, Report};
use crate::session::{Cause, Containment, Usage};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[derive(Default)]
struct Scripted {
    started: Vec<Started>,
    is_compiling: bool,
    /// How the compiling child ends without a word, when it shall.
    compiler_ends: Option<End>,
    /// Bytes of output after which the runner ends.
    output: usize,
}

impl Scripted {
    fn start(&mut self, who: Who, script: impl FnOnce(UnixStream) + Send + 'static) {
        let (ours, its) = UnixStream::pair().unwrap();
        let (ended, ends) = channel::<()>();
        thread::spawn(move || {
            script(its);
            drop(ended);
        });
        let wait = Box::new(move || assert!(ends.recv().is_err()));
        self.started.push(Started {
            who,
            input: Box::new(ours.try_clone().unwrap()),
            output: Box::new(ours),
            wait,
        });
    }
}

/// Payload of the next frame, which must be of this type.
fn expect(stream: &mut impl Read, kind: u8) -> Vec<u8> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[3], kind);
    let mut payload = vec![0; u32::from_le_bytes(header[4..].try_into().unwrap()) as usize];
    stream.read_exact(&mut payload).unwrap();
    payload
}

impl Containment for Scripted {
    fn start(&mut self, _: &Policy) -> Result<Report, String> {
        let output = self.output;
        self.start(Who::Runner, move |mut stream| {
            stream.write_all(&encode(inner::HELLO, b"engine")).unwrap();
            // After an end before GO there is nobody to run for.
            let mut header = [0; 8];
            if stream.read_exact(&mut header).is_err() {
                return;
            }
            let mut compiled = vec![0; u32::from_le_bytes(header[4..].try_into().unwrap()) as usize];
            stream.read_exact(&mut compiled).unwrap();
            assert_eq!((header[3], compiled), (inner::COMPILED, b"code".to_vec()));
            expect(&mut stream, inner::LOAD);
            stream.write_all(&encode(inner::READY, b"")).unwrap();
            let input = expect(&mut stream, inner::INPUT);
            expect(&mut stream, inner::GO);
            let sum = input.iter().map(|byte| u32::from(*byte)).sum::<u32>();
            let mut result = vec![0; 25 + output];
            result[1..5].copy_from_slice(&sum.to_le_bytes());
            stream.write_all(&encode(inner::RESULT, &result)).unwrap();
        });
        Ok(Report { layers: vec![Layer::enforced("test", "")] })
    }

    fn start_compiler(&mut self, _: &Policy) -> Result<(), String> {
        let is_mute = self.compiler_ends.is_some();
        self.start(Who::Compiler, move |mut stream| {
            assert_eq!(expect(&mut stream, inner::MODULE), b"module");
            if !is_mute {
                stream.write_all(&encode(inner::COMPILED, b"code")).unwrap();
            }
        });
        self.is_compiling = true;
        Ok(())
    }

    fn stop_compiler(&mut self) {
        self.is_compiling = false;
    }

    fn is_sealed(&self) -> bool {
        true
    }

    fn request_suspend(&mut self) {}

    fn work_begins(&mut self) {}
    fn task_began(&mut self) {}

    fn freeze(&mut self) -> Result<u32, String> {
        Ok(7)
    }

    fn thaw(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn kill(&mut self) {}

    fn usage(&mut self) -> Usage {
        Usage { processor_us: 5, ..Usage::default() }
    }
}

impl Processes for Scripted {
    fn take_started(&mut self) -> Vec<Started> {
        std::mem::take(&mut self.started)
    }

    fn end_of(&mut self, who: Who) -> Option<End> {
        if who == Who::Compiler { self.compiler_ends } else { Some(End::Exited(0)) }
    }

    fn timeout(&self) -> Option<Duration> {
        Some(Duration::from_millis(20))
    }

    fn on_time(&mut self) {}

    fn cause_of(&self, _: End) -> Cause {
        Cause::None
    }

    fn is_compiling(&self) -> bool {
        self.is_compiling
    }
}

/// Runs a session; gives what the agent sends to it and returns every frame it heard.
fn converse(mut processes: Scripted, said: Vec<u8>, reads_after: Duration) -> Vec<(u8, Vec<u8>)> {
    let (ours, its) = UnixStream::pair().unwrap();
    let mut writing = ours.try_clone().unwrap();
    thread::spawn(move || writing.write_all(&said));
    let heard = thread::spawn(move || {
        thread::sleep(reads_after);
        let mut bytes = Vec::new();
        let mut reading = ours;
        reading.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let input = its.try_clone().unwrap();
    hold(
        &mut processes,
        Agent { input: Box::new(input), output: Box::new(its.try_clone().unwrap()), death: None },
    )
    .unwrap();
    its.shutdown(std::net::Shutdown::Both).unwrap();
    frames_of(&heard.join().unwrap())
}

fn frames_of(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut frames, mut splitter, mut payload) = (Vec::new(), Splitter::default(), Vec::new());
    while let Some(piece) = splitter.next(&mut bytes, |_| Some(usize::MAX)).unwrap() {
        match piece {
            Piece::Header { .. } => payload.clear(),
            Piece::Payload(part) => payload.extend_from_slice(part),
            Piece::End(kind) => frames.push((kind, payload.clone())),
        }
    }
    frames
}

fn task(input: &[u8]) -> Vec<u8> {
    let load = [&[0; 28][..], b"module"].concat();
    let inner_bytes = [encode(inner::LOAD, &load), encode(inner::INPUT, input), encode(inner::GO, b"")].concat();
    let mut out = encode(outer::POLICY, b"tier process");
    inner_bytes.chunks(1000).for_each(|chunk| out.extend(encode(outer::TASK, chunk)));
    out
}

fn runner_bytes(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    frames.iter().filter(|(kind, _)| *kind == outer::RUNNER).flat_map(|(_, payload)| payload.clone()).collect()
}

#[test]
fn sbx_5_a_task_is_compiled_run_and_its_end_told_last() {
    let input = vec![3; 100_000];
    let frames = converse(Scripted::default(), task(&input), Duration::ZERO);
    assert_eq!(frames.first().unwrap().0, outer::REPORT);
    assert_eq!(frames.last().unwrap(), &(outer::EXIT, vec![0; 6]));
    let said = frames_of(&runner_bytes(&frames));
    let (kind, result) = said.last().unwrap();
    assert_eq!((*kind, &result[1..5]), (inner::RESULT, 300_000u32.to_le_bytes().as_slice()));
}

#[test]
fn sbx_5_a_slow_agent_gets_everything() {
    let scripted = Scripted { output: 3 * 1024 * 1024, ..Scripted::default() };
    let frames = converse(scripted, task(b"x"), Duration::from_millis(100));
    let said = frames_of(&runner_bytes(&frames));
    assert_eq!(said.last().unwrap().1.len(), 25 + 3 * 1024 * 1024);
    assert_eq!(frames.last().unwrap().0, outer::EXIT);
}

#[test]
fn sbx_5_freeze_is_answered_while_the_runner_reads_nothing() {
    let said =
        [encode(outer::POLICY, b"tier process"), encode(outer::FREEZE, b""), encode(outer::KILL, b"")].concat();
    let (ours, its) = UnixStream::pair().unwrap();
    let mut agent = ours;
    agent.write_all(&said).unwrap();
    let output = its.try_clone().unwrap();
    let held = thread::spawn(move || {
        hold(&mut Scripted::default(), Agent { input: Box::new(its), output: Box::new(output), death: None })
    });
    expect(&mut agent, outer::REPORT);
    assert_eq!(expect(&mut agent, outer::FROZEN), 7u32.to_le_bytes());
    drop(agent);
    held.join().unwrap().unwrap();
}

#[test]
fn sbx_3_a_compiler_that_dies_without_a_word_is_a_fault() {
    let scripted = Scripted { compiler_ends: Some(End::Signalled(9)), ..Scripted::default() };
    let (ours, its) = UnixStream::pair().unwrap();
    let mut agent = ours;
    agent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let output = its.try_clone().unwrap();
    let held = thread::spawn(move || {
        let mut scripted = scripted;
        hold(&mut scripted, Agent { input: Box::new(its), output: Box::new(output), death: None })
    });
    agent.write_all(&task(b"x")).unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("signal 9") {
        let mut byte = [0];
        agent.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    drop(agent);
    held.join().unwrap().unwrap();
}

#[test]
fn sbx_5_the_agents_death_ends_the_loop() {
    let (ours, its) = UnixStream::pair().unwrap();
    let output = its.try_clone().unwrap();
    let agent = Agent { input: Box::new(its), output: Box::new(output), death: Some(Box::new(|| ())) };
    hold(&mut Scripted::default(), agent).unwrap();
    drop(ours);
}
