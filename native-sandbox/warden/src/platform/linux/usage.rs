//! Memory of a process, as /proc tells it in KiB: pages are of 16 or 64 KiB on some machines. A process that is gone has none.

use std::fs;

/// What it holds of the machine: resident pages and the tables that find them. A page that was only read costs nothing, the
/// table for it does: a hundred gigabytes looked at here and there are hundreds of megabytes of tables.
pub fn held_bytes(pid: i32) -> u64 {
    let status = status_of(pid);
    bytes_of(&status, "VmRSS:") + bytes_of(&status, "VmPTE:")
}

pub fn peak_bytes(pid: i32) -> u64 {
    bytes_of(&status_of(pid), "VmHWM:")
}

fn status_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn bytes_of(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gov_7_tables_count_as_memory() {
        let own = std::process::id() as i32;
        let status = status_of(own);
        assert!(bytes_of(&status, "VmPTE:") > 0);
        assert!(held_bytes(own) > bytes_of(&status, "VmRSS:") / 2);
        assert_eq!(bytes_of("VmRSS:\t 3 kB\nVmPTE:\t 4 kB\n", "VmPTE:"), 4096);
    }

    #[test]
    fn gov_7_memory_that_was_touched_is_resident_and_the_dead_have_none() {
        const TAKEN: usize = 32 << 20;
        let own = std::process::id() as i32;
        let taken = std::hint::black_box(vec![1u8; TAKEN]);
        let resident = held_bytes(own);
        assert!(resident >= TAKEN as u64 && peak_bytes(own) >= TAKEN as u64, "{resident}");
        drop(taken);
        assert_eq!((held_bytes(i32::MAX), peak_bytes(i32::MAX)), (0, 0));
    }
}
