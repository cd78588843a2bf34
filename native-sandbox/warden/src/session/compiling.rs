//! Reads what the compiling child says: the compiled module, or why there is none.

use crate::cache;
use crate::frames::{Piece, Splitter, inner};

#[derive(Debug, PartialEq, Eq)]
pub enum Compiled {
    Module(Vec<u8>),
    /// Payload of a FAULT.
    Fault(Vec<u8>),
}

#[derive(Default)]
pub struct CompilerStream {
    splitter: Splitter,
    bytes: Vec<u8>,
}

impl CompilerStream {
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Option<Compiled>, String> {
        let cap = |kind| match kind {
            inner::COMPILED => Some(cache::MOST_BYTES),
            inner::FAULT => Some(1024),
            _ => None,
        };
        while let Some(piece) = self.splitter.next(&mut bytes, cap)? {
            match piece {
                Piece::Header { .. } => {}
                Piece::Payload(part) => self.bytes.extend_from_slice(part),
                Piece::End(kind) => {
                    let bytes = std::mem::take(&mut self.bytes);
                    let is_module = kind == inner::COMPILED;
                    return Ok(Some(if is_module { Compiled::Module(bytes) } else { Compiled::Fault(bytes) }));
                }
            }
        }
        Ok(None)
    }
}
