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
    most: usize,
}

impl CompilerStream {
    /// What a compiler made was in its memory: more than it was allowed to have is not believed.
    pub fn new(compile_memory_bytes: u64) -> Self {
        let most =
            usize::try_from(compile_memory_bytes).map_or(cache::MOST_BYTES, |most| most.min(cache::MOST_BYTES));
        Self { most, ..Self::default() }
    }

    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Option<Compiled>, String> {
        let most = self.most;
        let cap = |kind| match kind {
            inner::COMPILED => Some(most),
            inner::FAULT => Some(1024),
            _ => None,
        };
        while let Some(piece) = self.splitter.next(&mut bytes, cap)? {
            match piece {
                // Growing by doubling would hold it twice, and half of it for nothing.
                Piece::Header { length, .. } => self.bytes.reserve_exact(length),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{encode, header};

    #[test]
    fn sbx_1_a_compiler_is_believed_no_more_than_it_may_hold() {
        let mut stream = CompilerStream::new(5);
        assert_eq!(stream.push(&encode(inner::COMPILED, b"12345")), Ok(Some(Compiled::Module(b"12345".to_vec()))));
        assert!(CompilerStream::new(5).push(&header(inner::COMPILED, 6)).is_err());
        assert!(CompilerStream::new(u64::MAX).push(&header(inner::COMPILED, cache::MOST_BYTES + 1)).is_err());
    }
}
