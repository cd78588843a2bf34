//! N29 new code, N30 the processor's clock, N35 too much memory.

use crate::call::{Attempt, plain, succeeded};
use std::arch::x86_64::_rdtsc;

const MMAP: i64 = 9;
const MPROTECT: i64 = 10;
const PRIVATE: u64 = 0x22;
const SHARED: u64 = 0x21;
const GROWS_DOWN: u64 = 0x122;
/// The escape suite gives 64 MiB.
const TOO_MUCH: u64 = 256 << 20;
const PIECE: u64 = 8 << 20;

pub fn map_exec() -> Attempt {
    plain(MMAP, &[0, 4096, 7, PRIVATE, u64::MAX, 0])?;
    succeeded("has memory to write and execute")
}

pub fn make_exec() -> Attempt {
    let page = plain(MMAP, &[0, 4096, 3, PRIVATE, u64::MAX, 0])? as u64;
    plain(MPROTECT, &[page, 4096, 5])?;
    succeeded("made written memory executable")
}

pub fn rdtsc() -> Attempt {
    // SAFETY: every x86-64 has it; where it is forbidden it is a fault.
    let ticks = unsafe { _rdtsc() };
    Ok(format!("read the clock: {}", ticks != 0))
}

fn exceed(flags: u64) -> Attempt {
    let mut total = 0;
    while total < TOO_MUCH {
        let piece = plain(MMAP, &[0, PIECE, 3, flags, u64::MAX, 0])?;
        for page in (0..PIECE).step_by(4096) {
            // SAFETY: inside the piece that was just mapped for writing.
            unsafe { ((piece as u64 + page) as *mut u8).write_volatile(1) };
        }
        total += PIECE;
    }
    // Time for a watch that looks every 50 ms: memory that is taken back is not had.
    for _ in 0..2_000_000_000u64 {
        std::hint::black_box(total);
    }
    Ok(format!("has {} MiB", total >> 20))
}

pub fn exceed_private() -> Attempt {
    exceed(PRIVATE)
}

pub fn exceed_shared() -> Attempt {
    exceed(SHARED)
}

pub fn exceed_stack() -> Attempt {
    exceed(GROWS_DOWN)
}

/// Page tables: memory that is neither data nor resident pages. One byte read in each 2 MiB takes a table of its own.
pub fn exceed_tables() -> Attempt {
    const MADVISE: i64 = 28;
    const NO_HUGE_PAGE: u64 = 15;
    const PRIVATE_WITHOUT_RESERVE: u64 = 0x4022;
    const A_TABLE_MAPS: u64 = 2 << 20;
    let most = TOO_MUCH / 4096 * A_TABLE_MAPS;
    let start = plain(MMAP, &[0, most, 1, PRIVATE_WITHOUT_RESERVE, u64::MAX, 0])? as u64;
    plain(MADVISE, &[start, most, NO_HUGE_PAGE])?;
    for at in (0..most).step_by(A_TABLE_MAPS as usize) {
        // SAFETY: inside what was just mapped for reading.
        unsafe { std::hint::black_box(((start + at) as *const u8).read_volatile()) };
    }
    // As above.
    for _ in 0..2_000_000_000u64 {
        std::hint::black_box(start);
    }
    Ok(format!("has {} MiB of page tables", TOO_MUCH >> 20))
}
