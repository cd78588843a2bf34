//! The payload of LOAD.

use crate::fault::{Fault, FaultCode};

#[derive(Debug)]
pub struct Task {
    pub fuel: u64,
    pub memory_bytes: u64,
    pub output_bytes: usize,
    pub log_bytes: usize,
    /// 64-bit words of state besides memory and fuel.
    pub state_words: u32,
    pub module: Vec<u8>,
}

impl Task {
    pub fn parse(load: Vec<u8>) -> Result<Self, Fault> {
        Self::read(load).ok_or_else(|| Fault::new(FaultCode::Engine, "expected a LOAD as in FRAMES.md"))
    }

    fn read(mut load: Vec<u8>) -> Option<Self> {
        let mut cursor = Cursor::new(&load);
        let fuel = cursor.u64()?;
        let memory_bytes = cursor.u64()?;
        let output_bytes = cursor.u32()? as usize;
        let log_bytes = cursor.u32()? as usize;
        let state_words = cursor.u32()?;
        let module_at = cursor.position();
        load.drain(..module_at);
        Some(Self { fuel, memory_bytes, output_bytes, log_bytes, state_words, module: load })
    }
}

/// Reads little endian numbers off the front of bytes.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }
}
