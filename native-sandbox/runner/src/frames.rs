//! Frames of FRAMES.md, read and written one after the other on descriptors 0 and 1.

use crate::fault::Fault;
use std::io::{Read, Write, stdin, stdout};
use std::process::exit;

pub const HELLO: u8 = 1;
pub const LOAD: u8 = 2;
pub const INPUT: u8 = 3;
pub const CHECKPOINT: u8 = 4;
pub const GO: u8 = 5;
pub const PROGRESS: u8 = 7;
pub const LOG: u8 = 8;
pub const RESULT: u8 = 9;
pub const FAULT: u8 = 10;
/// Of the warden: a compiled module.
pub const COMPILED: u8 = 32;
/// To the warden: the last filter is on.
pub const READY: u8 = 33;
/// Of the warden: a module to compile.
pub const MODULE: u8 = 34;

pub const MOST_CHECKPOINT: usize = 1024 * MIB;
const MIB: usize = 1024 * 1024;
const START: [u8; 3] = [0x41, 0x4b, 1];
/// Exit code for a parent that does not keep to the rules.
const BROKEN_RULE: i32 = 2;

fn cap(kind: u8) -> usize {
    match kind {
        LOAD | MODULE => 65 * MIB,
        INPUT => 256 * MIB,
        CHECKPOINT => MOST_CHECKPOINT,
        COMPILED => 512 * MIB,
        _ => 0,
    }
}

/// Reads the next frame. Ends the process when its type is none of `kinds`, or its parent is gone.
pub fn read(kinds: &[u8]) -> Result<(u8, Vec<u8>), Fault> {
    let mut input = stdin().lock();
    let mut header = [0; 8];
    if input.read_exact(&mut header).is_err() {
        exit(0);
    }
    let [a, b, c, kind, length @ ..] = header;
    let length = u32::from_le_bytes(length) as usize;
    if [a, b, c] != START || !kinds.contains(&kind) || length > cap(kind) {
        exit(BROKEN_RULE);
    }
    let mut payload = Vec::new();
    payload
        .try_reserve_exact(length)
        .map_err(|_| Fault::memory(format!("no room for {length} bytes of a frame")))?;
    match input.take(length as u64).read_to_end(&mut payload) {
        Ok(count) if count == length => Ok((kind, payload)),
        _ => exit(0),
    }
}

/// Writes one frame. Ends the process when nobody reads.
pub fn write(kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    begin(kind, length);
    parts.iter().for_each(|part| write_all(part));
    flush();
}

/// Starts a frame whose `length` bytes the caller then gives to [`write_all`].
pub fn begin(kind: u8, length: usize) {
    let length = u32::try_from(length).unwrap_or_else(|_| exit(BROKEN_RULE));
    let [a, b, c, d] = length.to_le_bytes();
    write_all(&[START[0], START[1], START[2], kind, a, b, c, d]);
}

pub fn write_all(bytes: &[u8]) {
    if stdout().lock().write_all(bytes).is_err() {
        exit(0);
    }
}

pub fn flush() {
    if stdout().lock().flush().is_err() {
        exit(0);
    }
}
