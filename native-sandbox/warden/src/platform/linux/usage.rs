//! Resident memory of a process, as /proc tells it in KiB: pages are of 16 or 64 KiB on some machines. A process that is gone
//! has none.

use std::fs;

pub fn resident_bytes(pid: i32) -> u64 {
    bytes_of(pid, "VmRSS:")
}

pub fn peak_bytes(pid: i32) -> u64 {
    bytes_of(pid, "VmHWM:")
}

fn bytes_of(pid: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gov_7_memory_that_was_touched_is_resident_and_the_dead_have_none() {
        const TAKEN: usize = 32 << 20;
        let own = std::process::id() as i32;
        let taken = std::hint::black_box(vec![1u8; TAKEN]);
        let resident = resident_bytes(own);
        assert!(resident >= TAKEN as u64 && peak_bytes(own) >= TAKEN as u64, "{resident}");
        drop(taken);
        assert_eq!((resident_bytes(i32::MAX), peak_bytes(i32::MAX)), (0, 0));
    }
}
