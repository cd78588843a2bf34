//! Why this machine could not do the work. Never an answer of the task.

use crate::frames::{self, FAULT};

const MOST_TEXT: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FaultCode {
    Engine = 0,
    HostMemory = 1,
    Module = 2,
    BadCheckpoint = 3,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: FaultCode,
    pub text: String,
}

impl Fault {
    pub fn new(code: FaultCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub fn memory(text: impl Into<String>) -> Self {
        Self::new(FaultCode::HostMemory, text)
    }

    pub fn send(&self) {
        let text = &self.text.as_bytes()[..self.text.len().min(MOST_TEXT)];
        frames::write(FAULT, &[&[self.code as u8], text]);
    }
}
