//! What the runner is told while a task runs: how much time went by, and whether to stop between two steps.
//!
//! Under a warden this is a page of memory that only the warden can write: no call, no clock. Alone, two threads do it.

use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(100);

pub struct Control {
    ticks: &'static AtomicU32,
    suspend: &'static AtomicU32,
    last_tick: u32,
    is_asked: bool,
}

impl Control {
    /// The warden's page, at descriptor 3.
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    pub fn of_warden() -> Result<Self, String> {
        use std::ffi::{c_int, c_void};
        use std::fs::File;
        use std::os::fd::FromRawFd;
        const PLACE: c_int = 3;
        unsafe extern "C" {
            fn mmap(
                at: *mut c_void,
                length: usize,
                prot: c_int,
                flags: c_int,
                fd: c_int,
                offset: i64,
            ) -> *mut c_void;
        }
        // SAFETY: a new mapping for reading; shared, so that the warden's writes show.
        let page = unsafe { mmap(std::ptr::null_mut(), 4096, 1, 1, PLACE, 0) };
        if page as isize == -1 {
            return Err(format!("the control page: {}", std::io::Error::last_os_error()));
        }
        // SAFETY: the warden gave it to us; nobody else uses it.
        drop(unsafe { File::from_raw_fd(PLACE) });
        let page = page.cast::<u32>();
        // SAFETY: mapped until the process ends, aligned, and only ever loaded from.
        let (ticks, suspend) = unsafe { (AtomicU32::from_ptr(page), AtomicU32::from_ptr(page.add(1))) };
        Ok(Self { ticks, suspend, last_tick: 0, is_asked: false })
    }

    /// The warden's page, behind the handle whose number is the second argument.
    #[cfg(target_os = "windows")]
    pub fn of_warden() -> Result<Self, String> {
        use std::ffi::c_void;
        use std::os::windows::io::{FromRawHandle, OwnedHandle};
        const FILE_MAP_READ: u32 = 4;
        #[link(name = "kernel32")]
        unsafe extern "system" {
            fn MapViewOfFile(mapping: *mut c_void, access: u32, high: u32, low: u32, size: usize) -> *mut c_void;
        }
        let number = std::env::args().nth(2).and_then(|text| text.parse::<usize>().ok());
        let mapping = number.ok_or("expected the number of the control page's handle")? as *mut c_void;
        // SAFETY: a new mapping for reading; fails when the number is not that of such a handle.
        let page = unsafe { MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 4096) };
        if page.is_null() {
            return Err(format!("the control page: {}", std::io::Error::last_os_error()));
        }
        // SAFETY: the warden gave it to us; nobody else uses it.
        drop(unsafe { OwnedHandle::from_raw_handle(mapping) });
        let page = page.cast::<u32>();
        // SAFETY: mapped until the process ends, aligned, and only ever loaded from.
        let (ticks, suspend) = unsafe { (AtomicU32::from_ptr(page), AtomicU32::from_ptr(page.add(1))) };
        Ok(Self { ticks, suspend, last_tick: 0, is_asked: false })
    }

    /// From here on standard input belongs to a thread: anything on it is SUSPEND, its end is ours.
    pub fn of_threads() -> Self {
        static TICKS: AtomicU32 = AtomicU32::new(0);
        static SUSPEND: AtomicU32 = AtomicU32::new(0);
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(TICK);
                TICKS.fetch_add(1, Ordering::Relaxed);
            }
        });
        std::thread::spawn(|| {
            let mut bytes = [0; 8];
            while std::io::stdin().read_exact(&mut bytes).is_ok() {
                SUSPEND.store(1, Ordering::Relaxed);
            }
            std::process::exit(0);
        });
        Self { ticks: &TICKS, suspend: &SUSPEND, last_tick: 0, is_asked: false }
    }

    /// Whether a tenth of a second went by since the last time this was true.
    pub fn is_time(&mut self) -> bool {
        let tick = self.ticks.load(Ordering::Relaxed);
        let is_time = tick != self.last_tick;
        self.last_tick = tick;
        is_time
    }

    /// True once after SUSPEND.
    pub fn is_suspended(&mut self) -> bool {
        let is_new = !self.is_asked && self.suspend.load(Ordering::Relaxed) != 0;
        self.is_asked |= is_new;
        is_new
    }
}
