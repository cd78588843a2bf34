//! Runner and compiler that somebody else drives, who want the warden to hold as much as it will: the compiler says as much code
//! as it was told to, the runner reads next to nothing of it and talks without end. Started by a warden as its `runner`.

use std::io::{Read, Write, stdin, stdout};

const HELLO: u8 = 1;
const LOG: u8 = 8;
const COMPILED: u8 = 32;
const READY: u8 = 33;
const MOST_LOG: usize = 4096;
/// More than a warden keeps for an agent that does not read.
const LINES: u32 = 16_384;
const CHUNK: usize = 64 * 1024;

/// False when that is no role of a runner.
pub fn serve(role: &str) -> bool {
    match role {
        "confined" => run(),
        "compile" => compile(),
        _ => return false,
    }
    true
}

fn run() {
    if !say(HELLO, &[1, 0, b'x']) || askee_filter::seal::for_task().is_err() || !say(READY, &[]) {
        return;
    }
    // Not before there is code.
    if stdin().lock().read_exact(&mut [0]).is_err() {
        return;
    }
    let mut left = LINES;
    while left > 0 && say(LOG, &[b'x'; MOST_LOG]) {
        left -= 1;
    }
}

/// The module is how many bytes the code shall have: u32, little endian.
fn compile() {
    let mut header = [0; 8];
    let mut module = [0; 4];
    if stdin().read_exact(&mut header).and_then(|()| stdin().read_exact(&mut module)).is_err() {
        return;
    }
    let mut left = u32::from_le_bytes(module) as usize;
    let mut goes_on = stdout().write_all(&header_of(COMPILED, left)).is_ok();
    while goes_on && left > 0 {
        let part = left.min(CHUNK);
        goes_on = stdout().write_all(&[1; CHUNK][..part]).and_then(|()| stdout().flush()).is_ok();
        left -= part;
    }
}

fn say(kind: u8, payload: &[u8]) -> bool {
    let frame = [&header_of(kind, payload.len())[..], payload].concat();
    stdout().write_all(&frame).and_then(|()| stdout().flush()).is_ok()
}

fn header_of(kind: u8, length: usize) -> [u8; 8] {
    let [a, b, c, d] = (length as u32).to_le_bytes();
    [0x41, 0x4b, 1, kind, a, b, c, d]
}
