//! N19 files, N31 descriptors, N32 /proc, N36 disk.

use crate::call::{Attempt, plain, succeeded, text};
use crate::outside;
use std::ffi::CStr;

const OPEN: i64 = 2;
const CREATE: u64 = 0o102;
const F_GETFD: u64 = 1;

fn open(path: &CStr, flags: u64) -> Result<u64, i32> {
    plain(OPEN, &[text(path), flags, 0o600]).map(|fd| fd as u64)
}

pub fn read_file() -> Attempt {
    open(c"/etc/passwd", 0)?;
    succeeded("opened /etc/passwd")
}

pub fn create_file() -> Attempt {
    let scratch = outside::path("scratch");
    open(&scratch, CREATE)?;
    plain(87, &[text(&scratch)])?;
    succeeded("created a file")
}

pub fn list_root() -> Attempt {
    let fd = open(c"/", 0o200_000)?;
    let buffer = vec![0u8; 32_768];
    let bytes = plain(217, &[fd, buffer.as_ptr() as u64, buffer.len() as u64])?;
    // `.` and `..` take 48 bytes.
    if bytes > 48 { succeeded("read the names in /") } else { Err(2) }
}

/// A file that V8's runner has in its root.
pub fn write_listed() -> Attempt {
    open(c"/lib/listed", 2)?;
    succeeded("opened a listed file for writing")
}

/// One that is there to be read only.
pub fn execute_listed() -> Attempt {
    let arguments = [text(c"listed"), text(c"--executed"), 0];
    plain(59, &[text(c"/lib/listed"), arguments.as_ptr() as u64, 0])?;
    succeeded("exec came back")
}

pub fn fill_disk() -> Attempt {
    let scratch = outside::path("scratch");
    let fd = open(&scratch, CREATE)?;
    plain(87, &[text(&scratch)])?;
    let bytes = vec![1u8; 1 << 20];
    plain(1, &[fd, bytes.as_ptr() as u64, bytes.len() as u64])?;
    succeeded("wrote a MiB to disk")
}

pub fn scan_descriptors() -> Attempt {
    let found = (3..1024).find(|fd| plain(72, &[*fd, F_GETFD]).is_ok());
    found.map(|fd| format!("descriptor {fd} is open")).ok_or(9)
}

pub fn proc_1() -> Attempt {
    open(c"/proc/1/status", 0)?;
    succeeded("opened /proc/1/status")
}
