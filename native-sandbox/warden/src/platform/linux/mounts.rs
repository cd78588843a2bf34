//! An empty, read-only root: no file of the machine has a name here, and there is no /proc.

use super::sys;
use std::ffi::CStr;
use std::io;

const MS_RDONLY: u64 = 1;
const MS_NOSUID: u64 = 2;
const MS_NODEV: u64 = 4;
const MS_NOEXEC: u64 = 8;
const MS_REMOUNT: u64 = 32;
const MS_REC: u64 = 0x4000;
const MS_PRIVATE: u64 = 1 << 18;
const MNT_DETACH: i32 = 2;
const NOTHING: u64 = MS_NOSUID | MS_NODEV | MS_NOEXEC;
/// Any directory that is always there will do: in our own namespace something else is put over it.
const PLACES: [&CStr; 4] = [c"/tmp", c"/dev", c"/proc", c"/usr"];

pub fn enter_empty_root() -> io::Result<()> {
    sys::mount_at(c"none", c"/", c"none", MS_REC | MS_PRIVATE, c"")?;
    let mut result = Err(io::Error::from(io::ErrorKind::NotFound));
    let mut place = PLACES[0];
    for candidate in PLACES {
        result = sys::mount_at(c"none", candidate, c"tmpfs", NOTHING, c"size=64k,nr_inodes=2,mode=0555");
        place = candidate;
        if result.is_ok() {
            break;
        }
    }
    result?;
    sys::change_directory(place)?;
    pivot()?;
    sys::unmount(c".", MNT_DETACH)?;
    sys::change_directory(c"/")?;
    sys::mount_at(c"none", c"/", c"none", NOTHING | MS_REMOUNT | MS_RDONLY, c"size=64k,nr_inodes=2,mode=0555")
}

/// `pivot_root(".", ".")`: the old root lies over the new one until it is taken off. See pivot_root(2).
fn pivot() -> io::Result<()> {
    let here = c".".as_ptr();
    // SAFETY: two pointers to a constant C string.
    sys::check(unsafe { sys::syscall(sys::number::PIVOT_ROOT, here, here) }).map(drop)
}
