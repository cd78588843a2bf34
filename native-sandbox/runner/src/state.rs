//! The state of a stepwise task between two steps, as FRAMES.md writes it: the same bytes as the portable runner's.

use crate::fault::{Fault, FaultCode};
use crate::frames::{self, CHECKPOINT, MOST_CHECKPOINT};
use crate::host::{self, Counters, Host};
use crate::task::Cursor;
use wasmtime::{Instance, Memory, Store, TypedFunc};

const PAGE_BYTES: usize = 65_536;
const BLOCK_BYTES: usize = 4096;

/// The globals of a stepwise task, as the words that the pass makes of them, bit for bit.
pub struct Words {
    count: u32,
    get: TypedFunc<u32, u64>,
    set: TypedFunc<(u32, u64), ()>,
}

impl Words {
    /// `None` for a module that the pass gave no such functions: it cannot be checkpointed.
    pub fn find(store: &mut Store<Host>, instance: &Instance, count: u32) -> Option<Self> {
        let get = instance.get_typed_func(&mut *store, "askee_state_get").ok()?;
        let set = instance.get_typed_func(&mut *store, "askee_state_set").ok()?;
        Some(Self { count, get, set })
    }
}

/// Fuel used, and the words.
fn encode_scalars(store: &mut Store<Host>, words: &Words) -> Result<Vec<u8>, wasmtime::Error> {
    let mut out = host::fuel_used(store).to_le_bytes().to_vec();
    out.extend(words.count.to_le_bytes());
    for index in 0..words.count {
        out.extend(words.get.call(&mut *store, index)?.to_le_bytes());
    }
    Ok(out)
}

/// Alternating runs of zero blocks and others, in blocks.
fn find_runs(memory: &[u8]) -> Vec<(usize, usize)> {
    let mut blocks = memory.chunks(BLOCK_BYTES).map(|block| block.iter().all(|byte| *byte == 0)).peekable();
    let mut runs = Vec::new();
    while blocks.peek().is_some() {
        let mut count = |zero: bool| {
            let mut length = 0;
            while blocks.next_if_eq(&zero).is_some() {
                length += 1;
            }
            length
        };
        runs.push((count(true), count(false)));
    }
    runs
}

/// Sends CHECKPOINT; false, and nothing sent, when the state is over the cap.
pub fn write(store: &mut Store<Host>, words: &Words, memory: Memory) -> Result<bool, wasmtime::Error> {
    let start = encode_scalars(store, words)?;
    let output = &store.data().output;
    let bytes = memory.data(&*store);
    let runs = find_runs(bytes);
    let data: usize = runs.iter().map(|(_, data)| 8 + data * BLOCK_BYTES).sum();
    let length = start.len() + 4 + output.len() + 4 + data;
    if length > MOST_CHECKPOINT {
        return Ok(false);
    }
    frames::begin(CHECKPOINT, length);
    frames::write_all(&start);
    frames::write_all(&(output.len() as u32).to_le_bytes());
    frames::write_all(output);
    frames::write_all(&((bytes.len() / PAGE_BYTES) as u32).to_le_bytes());
    let mut at = 0;
    for (zeros, data) in runs {
        frames::write_all(&(zeros as u32).to_le_bytes());
        frames::write_all(&(data as u32).to_le_bytes());
        at += zeros * BLOCK_BYTES;
        frames::write_all(&bytes[at..at + data * BLOCK_BYTES]);
        at += data * BLOCK_BYTES;
    }
    frames::flush();
    Ok(true)
}

/// Puts a state into a fresh instance.
pub fn restore(
    store: &mut Store<Host>,
    words: &Words,
    counters: Counters,
    memory: Memory,
    state: &[u8],
) -> Result<(), Fault> {
    let bad = || Fault::new(FaultCode::BadCheckpoint, "expected a state as in FRAMES.md");
    let mut cursor = Cursor::new(state);
    let used = cursor.u64().ok_or_else(bad)?;
    let left = store.data().fuel_limit.checked_sub(used).ok_or_else(bad)?;
    host::set_fuel(store, counters, i64::try_from(left).map_err(|_| bad())?).map_err(|_| bad())?;
    if cursor.u32().ok_or_else(bad)? != words.count {
        return Err(bad());
    }
    for index in 0..words.count {
        let word = cursor.u64().ok_or_else(bad)?;
        words.set.call(&mut *store, (index, word)).map_err(|_| bad())?;
    }
    let length = cursor.u32().ok_or_else(bad)? as usize;
    let output = cursor.take(length).ok_or_else(bad)?;
    if output.len() > store.data().output_limit {
        return Err(bad());
    }
    store.data_mut().output = output.to_vec();
    let pages = u64::from(cursor.u32().ok_or_else(bad)?);
    let missing = pages.checked_sub(memory.size(&*store)).ok_or_else(bad)?;
    memory.grow(&mut *store, missing).map_err(|error| Fault::memory(error.to_string()))?;
    fill(memory.data_mut(store), &mut cursor).ok_or_else(bad)
}

fn fill(memory: &mut [u8], cursor: &mut Cursor) -> Option<()> {
    let mut rest = memory;
    while !rest.is_empty() {
        let zeros = cursor.u32()? as usize * BLOCK_BYTES;
        let data = cursor.u32()? as usize * BLOCK_BYTES;
        let (zero_part, after) = rest.split_at_mut_checked(zeros)?;
        let (data_part, after) = after.split_at_mut_checked(data)?;
        if zeros + data == 0 {
            return None;
        }
        zero_part.fill(0);
        data_part.copy_from_slice(cursor.take(data)?);
        rest = after;
    }
    Some(())
}
