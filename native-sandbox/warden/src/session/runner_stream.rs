//! The stream from runner to agent. The runner is not trusted: what it says is capped and put in order before it passes.

use super::outbox::Outbox;
use crate::frames::{CHUNK_BYTES, Piece, Splitter, encode, header, inner, outer};

const HELLO_BYTES: usize = 4096;
const RESULT_HEADER_BYTES: usize = 25;
const CHECKPOINT_BYTES: usize = 1024 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Hello,
    /// HELLO is through, the last filter is not on.
    Loading,
    Running,
    Ended,
}

#[derive(Debug, PartialEq, Eq)]
pub enum RunnerEvent {
    Hello(Vec<u8>),
    Ready,
    /// It has said its last word.
    Ended,
}

pub struct RunnerStream {
    splitter: Splitter,
    stage: Stage,
    output_bytes: usize,
    hello: Vec<u8>,
    is_kept_back: bool,
}

impl RunnerStream {
    pub fn new(output_bytes: usize) -> Self {
        Self {
            splitter: Splitter::default(),
            stage: Stage::Hello,
            output_bytes,
            hello: Vec::new(),
            is_kept_back: false,
        }
    }

    fn cap(stage: Stage, output_bytes: usize, kind: u8) -> Option<usize> {
        match (stage, kind) {
            (Stage::Hello, inner::HELLO) => Some(HELLO_BYTES),
            (Stage::Loading, inner::READY) => Some(0),
            (Stage::Loading | Stage::Running, inner::FAULT) => Some(1024),
            (Stage::Running, inner::PROGRESS) => Some(24),
            (Stage::Running, inner::LOG) => Some(4096),
            (Stage::Running, inner::RESULT) => Some(RESULT_HEADER_BYTES + output_bytes),
            (Stage::Running, inner::CHECKPOINT) => Some(CHECKPOINT_BYTES),
            _ => None,
        }
    }

    /// Takes bytes of the runner; what may pass goes to `out` in RUNNER frames.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Outbox) -> Result<Vec<RunnerEvent>, String> {
        let mut events = Vec::new();
        let mut pass = Vec::new();
        loop {
            let (stage, output_bytes) = (self.stage, self.output_bytes);
            let Some(piece) = self.splitter.next(&mut bytes, |kind| Self::cap(stage, output_bytes, kind))? else {
                break;
            };
            match piece {
                Piece::Header { kind, length } => {
                    self.is_kept_back = kind == inner::READY;
                    if !self.is_kept_back {
                        pass.extend_from_slice(&header(kind, length));
                    }
                }
                Piece::Payload(part) => {
                    if stage == Stage::Hello {
                        self.hello.extend_from_slice(part);
                    }
                    pass.extend_from_slice(part);
                }
                Piece::End(kind) => self.end(kind, &mut events),
            }
        }
        for chunk in pass.chunks(CHUNK_BYTES) {
            out.push(encode(outer::RUNNER, chunk));
        }
        Ok(events)
    }

    fn end(&mut self, kind: u8, events: &mut Vec<RunnerEvent>) {
        let (stage, event) = match kind {
            inner::HELLO => (Stage::Loading, Some(RunnerEvent::Hello(std::mem::take(&mut self.hello)))),
            inner::READY => (Stage::Running, Some(RunnerEvent::Ready)),
            inner::RESULT | inner::CHECKPOINT | inner::FAULT => (Stage::Ended, Some(RunnerEvent::Ended)),
            _ => (self.stage, None),
        };
        self.stage = stage;
        events.extend(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the runner inside the RUNNER frames of `out`.
    fn unwrap_chunks(mut out: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !out.is_empty() {
            let length = u32::from_le_bytes(out[4..8].try_into().unwrap()) as usize;
            assert_eq!(out[3], outer::RUNNER);
            bytes.extend_from_slice(&out[8..8 + length]);
            out = &out[8 + length..];
        }
        bytes
    }

    #[test]
    fn sbx_1_passes_what_frames_md_allows_and_keeps_ready_back() {
        let said = [encode(inner::HELLO, b"\x01\x00wasmtime"), encode(inner::READY, b"")].concat();
        let result = [encode(inner::LOG, b"x"), encode(inner::RESULT, &[0; 35])].concat();
        for chunk in 1..said.len() {
            let mut stream = RunnerStream::new(10);
            let (mut out, mut events) = (Outbox::default(), Vec::new());
            for part in [said.as_slice(), &result].concat().chunks(chunk) {
                events.extend(stream.push(part, &mut out).unwrap());
            }
            let hello = RunnerEvent::Hello(b"\x01\x00wasmtime".to_vec());
            assert_eq!(events, [hello, RunnerEvent::Ready, RunnerEvent::Ended]);
            assert_eq!(
                unwrap_chunks(out.front()),
                [encode(inner::HELLO, b"\x01\x00wasmtime"), result.clone()].concat()
            );
        }
    }

    #[test]
    fn sbx_4_a_result_before_ready_or_over_its_cap_or_after_the_end_is_refused() {
        let hello = encode(inner::HELLO, b"");
        let ready = encode(inner::READY, b"");
        let result = encode(inner::RESULT, &[0; 25]);
        for wrong in [
            result.clone(),
            [hello.clone(), result.clone()].concat(),
            [hello.clone(), ready.clone(), encode(inner::RESULT, &[0; 36])].concat(),
            [hello.clone(), ready.clone(), result.clone(), result.clone()].concat(),
            [hello.clone(), hello.clone()].concat(),
            [hello, ready, encode(inner::LOAD, b"")].concat(),
        ] {
            assert!(RunnerStream::new(10).push(&wrong, &mut Outbox::default()).is_err());
        }
    }

    /// Escape attempt 41 of the suite: noise and damaged frames, a million of them.
    #[test]
    fn sbx_4_a_million_malformed_frames_neither_crash_nor_fill_memory() {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut refused = 0u32;
        for _ in 0..1_000_000 {
            let mut stream = RunnerStream::new(64);
            let mut out = Outbox::default();
            let kind = (next() % 36) as u8;
            let mut frame = encode(inner::HELLO, b"");
            frame.extend(encode(kind, &next().to_le_bytes()[..(next() % 9) as usize]));
            let at = (next() % frame.len() as u64) as usize;
            frame[at] ^= (next() % 256) as u8;
            refused += u32::from(stream.push(&frame, &mut out).is_err());
            assert!(out.len() <= 2 * frame.len() + 16 && stream.hello.len() <= HELLO_BYTES);
        }
        assert!(refused > 500_000, "only {refused} were refused");
    }
}
