//! The stream from agent to runner: checks the order of FRAMES.md, takes LOAD out for compiling, holds the input and all
//! after it back until the runner has shut the last door behind itself.

use crate::frames::{Piece, Splitter, header, inner};
use std::collections::VecDeque;

const MIB: usize = 1024 * 1024;
const LOAD_BYTES: usize = 64 * MIB + 64 * 1024;
const INPUT_BYTES: usize = 256 * MIB;
const CHECKPOINT_BYTES: usize = 1024 * MIB;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Load,
    Input,
    CheckpointOrGo,
    Go,
    Running,
    Suspending,
}

impl Stage {
    fn cap(self, kind: u8) -> Option<usize> {
        match (self, kind) {
            (Self::Load, inner::LOAD) => Some(LOAD_BYTES),
            (Self::Input, inner::INPUT) => Some(INPUT_BYTES),
            (Self::CheckpointOrGo, inner::CHECKPOINT) => Some(CHECKPOINT_BYTES),
            (Self::CheckpointOrGo | Self::Go, inner::GO) | (Self::Running, inner::SUSPEND) => Some(0),
            _ => None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum TaskEvent {
    /// LOAD is whole: its payload.
    Loaded(Vec<u8>),
    Suspend,
}

enum Item {
    /// Of the agent: it gets credit for them when they are out.
    Task(Vec<u8>),
    /// Of our own.
    Own(Vec<u8>),
    /// What follows waits until the gate is opened.
    Gate,
}

pub struct TaskStream {
    splitter: Splitter,
    stage: Stage,
    load: Vec<u8>,
    queue: VecDeque<Item>,
    /// Bytes at the front of the queue's first item that are already out.
    sent: usize,
    is_open: bool,
    has_load: bool,
    /// SUSPEND goes to the runner too, and not only to the page that it looks at.
    pub passes_suspend: bool,
    /// Bytes that the agent may send again.
    pub credit: usize,
}

impl TaskStream {
    pub fn new() -> Self {
        Self {
            splitter: Splitter::default(),
            stage: Stage::Load,
            load: Vec::new(),
            queue: VecDeque::new(),
            sent: 0,
            is_open: false,
            has_load: false,
            passes_suspend: false,
            credit: 0,
        }
    }

    /// Takes bytes of TASK frames.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<TaskEvent>, String> {
        let mut events = Vec::new();
        let mut stage = self.stage;
        while let Some(piece) = self.splitter.next(&mut bytes, |kind| stage.cap(kind))? {
            match piece {
                Piece::Header { kind, length } => self.begin(kind, length),
                Piece::Payload(part) if stage == Stage::Load => {
                    self.load.extend_from_slice(part);
                    self.credit += part.len();
                }
                Piece::Payload(part) => self.queue.push_back(Item::Task(part.to_vec())),
                Piece::End(kind) => {
                    stage = match kind {
                        inner::LOAD => Stage::Input,
                        inner::INPUT => Stage::CheckpointOrGo,
                        inner::CHECKPOINT => Stage::Go,
                        inner::GO => Stage::Running,
                        _ => Stage::Suspending,
                    };
                    self.stage = stage;
                    match kind {
                        inner::LOAD => events.push(TaskEvent::Loaded(std::mem::take(&mut self.load))),
                        inner::SUSPEND => events.push(TaskEvent::Suspend),
                        _ => {}
                    }
                }
            }
        }
        Ok(events)
    }

    fn begin(&mut self, kind: u8, length: usize) {
        match kind {
            inner::LOAD => {
                self.load.reserve_exact(length);
                self.credit += header(kind, length).len();
            }
            inner::SUSPEND if !self.passes_suspend => self.credit += header(kind, length).len(),
            // The first that is somebody's own: the runner has its module, and seals itself before it reads on.
            inner::INPUT => {
                self.queue.push_back(Item::Gate);
                self.queue.push_back(Item::Task(header(kind, length).to_vec()));
            }
            _ => self.queue.push_back(Item::Task(header(kind, length).to_vec())),
        }
    }

    /// Puts the compiled module and LOAD in front of everything else; from now on bytes flow. Both are moved, not copied:
    /// they may be hundreds of megabytes.
    pub fn release(&mut self, compiled: Vec<u8>, load: Vec<u8>) {
        self.release_uncompiled(load);
        self.put_in_front(inner::COMPILED, compiled);
    }

    /// As [`Self::release`], for a runner that compiles by itself.
    pub fn release_uncompiled(&mut self, load: Vec<u8>) {
        self.put_in_front(inner::LOAD, load);
        self.has_load = true;
    }

    fn put_in_front(&mut self, kind: u8, payload: Vec<u8>) {
        let header = header(kind, payload.len()).to_vec();
        // An empty item would never be sent, and so never leave.
        if !payload.is_empty() {
            self.queue.push_front(Item::Own(payload));
        }
        self.queue.push_front(Item::Own(header));
    }

    /// The runner is sealed: what follows LOAD may pass.
    pub fn open(&mut self) {
        self.is_open = true;
    }

    /// What can be written to the runner now.
    pub fn front(&mut self) -> Option<&[u8]> {
        if !self.has_load {
            return None;
        }
        while let Some(Item::Gate) = self.queue.front() {
            if !self.is_open {
                return None;
            }
            self.queue.pop_front();
        }
        match self.queue.front() {
            Some(Item::Task(bytes) | Item::Own(bytes)) => Some(&bytes[self.sent..]),
            _ => None,
        }
    }

    /// So many bytes of `front` are out.
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        let (length, credit) = match self.queue.front() {
            Some(Item::Task(bytes)) => (bytes.len(), bytes.len()),
            Some(Item::Own(bytes)) => (bytes.len(), 0),
            _ => return,
        };
        if self.sent == length {
            self.credit += credit;
            self.queue.pop_front();
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::encode;

    fn drain(stream: &mut TaskStream) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(front) = stream.front() {
            let part = front[..front.len().min(3)].to_vec();
            stream.advance(part.len());
            out.extend(part);
        }
        out
    }

    #[test]
    fn sbx_1_the_input_waits_until_the_runner_is_sealed() {
        let mut stream = TaskStream::new();
        let frames = [encode(inner::LOAD, b"load"), encode(inner::INPUT, b"in"), encode(inner::GO, b"")];
        let events = stream.push(&frames.concat()).unwrap();
        assert_eq!(events, [TaskEvent::Loaded(b"load".to_vec())]);
        assert!(drain(&mut stream).is_empty(), "nothing flows before the module is compiled");
        stream.release(b"code".to_vec(), b"load".to_vec());
        let expected = [encode(inner::COMPILED, b"code"), frames[0].clone()].concat();
        assert_eq!(drain(&mut stream), expected);
        stream.open();
        assert_eq!(drain(&mut stream), [frames[1].clone(), frames[2].clone()].concat());
    }

    #[test]
    fn sbx_1_frames_out_of_order_are_refused() {
        for wrong in [
            encode(inner::INPUT, b""),
            encode(inner::GO, b""),
            encode(inner::COMPILED, b""),
            [encode(inner::LOAD, b""), encode(inner::LOAD, b"")].concat(),
            [encode(inner::LOAD, b""), encode(inner::INPUT, b""), encode(inner::SUSPEND, b"")].concat(),
            [encode(inner::LOAD, b""), encode(inner::INPUT, b""), encode(inner::GO, b"x")].concat(),
        ] {
            assert!(TaskStream::new().push(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sbx_1_a_runner_that_compiles_by_itself_gets_every_frame_of_the_agent() {
        let mut stream = TaskStream::new();
        stream.passes_suspend = true;
        let frames = [encode(inner::LOAD, b"load"), encode(inner::INPUT, b"in"), encode(inner::GO, b"")].concat();
        stream.push(&frames).unwrap();
        stream.release_uncompiled(b"load".to_vec());
        assert_eq!(drain(&mut stream), encode(inner::LOAD, b"load"), "the rest waits until it is sealed");
        stream.open();
        assert_eq!(drain(&mut stream), frames[encode(inner::LOAD, b"load").len()..]);
        assert_eq!(stream.push(&encode(inner::SUSPEND, b"")).unwrap(), [TaskEvent::Suspend]);
        assert_eq!(drain(&mut stream), encode(inner::SUSPEND, b""));
    }

    #[test]
    fn sbx_1_credit_comes_back_for_what_has_left() {
        let mut stream = TaskStream::new();
        let input = encode(inner::INPUT, &[1; 1000]);
        stream.push(&[encode(inner::LOAD, b"load"), input.clone()].concat()).unwrap();
        assert_eq!(stream.credit, 12, "LOAD is taken in at once, INPUT waits");
        stream.release(Vec::new(), Vec::new());
        stream.open();
        stream.credit = 0;
        drain(&mut stream);
        assert_eq!(stream.credit, input.len());
    }
}
