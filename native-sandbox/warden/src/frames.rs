//! Frames as PROTOCOL.md and FRAMES.md write them: two bytes of magic, version, type, length, payload.

/// Frames between agent and warden.
pub mod outer {
    pub const POLICY: u8 = 64;
    pub const TASK: u8 = 65;
    pub const FREEZE: u8 = 66;
    pub const THAW: u8 = 67;
    pub const KILL: u8 = 68;
    pub const USAGE: u8 = 69;
    pub const REPORT: u8 = 80;
    pub const RUNNER: u8 = 81;
    pub const CREDIT: u8 = 82;
    pub const FROZEN: u8 = 83;
    pub const THAWED: u8 = 84;
    pub const USED: u8 = 85;
    pub const EXIT: u8 = 86;
    pub const REFUSED: u8 = 87;
}

/// Frames of FRAMES.md, and four that only warden and runner exchange.
pub mod inner {
    pub const HELLO: u8 = 1;
    pub const LOAD: u8 = 2;
    pub const INPUT: u8 = 3;
    pub const CHECKPOINT: u8 = 4;
    pub const GO: u8 = 5;
    pub const SUSPEND: u8 = 6;
    pub const PROGRESS: u8 = 7;
    pub const LOG: u8 = 8;
    pub const RESULT: u8 = 9;
    pub const FAULT: u8 = 10;
    /// Warden to runner: the compiled module, before LOAD. Compiling child to warden: what it made.
    pub const COMPILED: u8 = 32;
    /// Runner to warden: the last filter is on.
    pub const READY: u8 = 33;
    /// Warden to compiling child: the module.
    pub const MODULE: u8 = 34;
}

pub const HEADER_BYTES: usize = 8;
/// Most bytes of a TASK or RUNNER frame.
pub const CHUNK_BYTES: usize = 64 * 1024;
const START: [u8; 3] = [0x41, 0x4b, 1];

pub fn header(kind: u8, length: usize) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(length).expect("payloads are capped far below 4 GiB");
    let [a, b, c, d] = length.to_le_bytes();
    [START[0], START[1], START[2], kind, a, b, c, d]
}

pub fn encode(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&header(kind, payload.len()));
    frame.extend_from_slice(payload);
    frame
}

/// A part of a stream of frames.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Header {
        kind: u8,
        length: usize,
    },
    Payload(&'a [u8]),
    /// The frame of this type is whole.
    End(u8),
}

/// Cuts a stream into pieces and keeps nothing of it but an unfinished header.
#[derive(Default)]
pub struct Splitter {
    header: [u8; HEADER_BYTES],
    filled: usize,
    kind: u8,
    left: usize,
    in_payload: bool,
}

impl Splitter {
    /// Takes the next piece off the front of `bytes`; `None` when more bytes are needed.
    ///
    /// `cap` says how long a frame of a type may be now, `None` that it may not come.
    pub fn next<'a>(
        &mut self,
        bytes: &mut &'a [u8],
        cap: impl FnOnce(u8) -> Option<usize>,
    ) -> Result<Option<Piece<'a>>, String> {
        if self.in_payload {
            if self.left == 0 {
                self.in_payload = false;
                return Ok(Some(Piece::End(self.kind)));
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
            *bytes = rest;
            self.left -= part.len();
            return Ok(Some(Piece::Payload(part)));
        }
        let (part, rest) = bytes.split_at((HEADER_BYTES - self.filled).min(bytes.len()));
        *bytes = rest;
        self.header[self.filled..self.filled + part.len()].copy_from_slice(part);
        self.filled += part.len();
        if self.filled < HEADER_BYTES {
            return Ok(None);
        }
        self.filled = 0;
        let [a, b, c, kind, length @ ..] = self.header;
        if [a, b, c] != START {
            return Err(format!("expected magic 41 4b 01, received {a:02x} {b:02x} {c:02x}"));
        }
        let length = u32::from_le_bytes(length) as usize;
        match cap(kind) {
            None => Err(format!("type {kind} may not come here")),
            Some(most) if length > most => {
                Err(format!("expected at most {most} bytes of type {kind}, received {length}"))
            }
            Some(_) => {
                (self.kind, self.left, self.in_payload) = (kind, length, true);
                Ok(Some(Piece::Header { kind, length }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(stream: &[u8], chunk: usize) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let mut splitter = Splitter::default();
        let (mut frames, mut payload) = (Vec::new(), Vec::new());
        for mut bytes in stream.chunks(chunk) {
            while let Some(piece) = splitter.next(&mut bytes, |kind| (kind < 9).then_some(100))? {
                match piece {
                    Piece::Header { .. } => payload.clear(),
                    Piece::Payload(part) => payload.extend_from_slice(part),
                    Piece::End(kind) => frames.push((kind, payload.clone())),
                }
            }
        }
        Ok(frames)
    }

    #[test]
    fn sbx_1_frames_are_the_same_however_the_stream_is_cut() {
        let stream = [encode(1, b"hello"), encode(5, b""), encode(7, &[9; 100])].concat();
        let whole = pieces(&stream, stream.len()).unwrap();
        assert_eq!(whole.len(), 3);
        for chunk in 1..20 {
            assert_eq!(pieces(&stream, chunk).unwrap(), whole);
        }
    }

    #[test]
    fn sbx_1_wrong_magic_type_and_length_are_refused() {
        assert!(pieces(&[0x41, 0x4b, 2, 1, 0, 0, 0, 0], 8).is_err());
        assert!(pieces(&encode(9, b""), 8).is_err());
        assert!(pieces(&encode(1, &[0; 101]), 64).is_err());
    }
}
