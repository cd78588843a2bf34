//! Starts one confined process and says which layers hold it.

use super::inspect;
use super::sys::{self, Waits};
use crate::platform::thread_loop::{End, Started, Who};
use crate::report::Layer;
use std::ffi::{CStr, CString, c_char, c_int, c_short, c_void};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

/// Places of a runner's descriptors beside the standard three.
const CONTROL_PLACE: RawFd = 3;
const LIFELINE_PLACE: RawFd = 4;
const STATUS_PLACE: RawFd = 5;

const SETPGROUP: c_short = 0x0002;
const SETSIGDEF: c_short = 0x0004;
const SETSIGMASK: c_short = 0x0008;
const CLOEXEC_DEFAULT: c_short = 0x4000;

const LOOK_AGAIN: Duration = Duration::from_micros(50);
/// A process in an uninterruptible call stops when that returns.
const LONGEST: Duration = Duration::from_secs(5);

/// What "(deny default)" must deny; each is asked of the kernel.
const DENIED: [&CStr; 6] =
    [c"file-read-data", c"file-write-data", c"network-outbound", c"process-fork", c"process-exec", c"mach-lookup"];

pub struct Spec<'a> {
    pub who: Who,
    pub program: &'a Path,
    pub control: &'a OwnedFd,
    /// Of processor time, for a compiler.
    pub cpu_seconds: Option<u64>,
}

/// A confined process; killed and collected when dropped.
pub struct Work {
    pid: c_int,
    pub layers: Vec<Layer>,
    /// The writing end: when it goes, with us, the runner ends itself.
    _lifeline: OwnedFd,
    end: Option<(End, sys::RUsage)>,
}

/// Starts the program; returns when it has confined itself. It has read nothing by then.
pub fn start(spec: &Spec) -> io::Result<(Work, Started)> {
    let (its_input, input) = sys::make_pipe()?;
    let (output, its_output) = sys::make_pipe()?;
    let (its_lifeline, lifeline) = sys::make_pipe()?;
    let (status, its_status) = sys::make_pipe()?;
    let mode = if spec.who == Who::Runner { "confined" } else { "compile" };
    let seconds = spec.cpu_seconds.map(|seconds| seconds.to_string());
    let arguments: Vec<&str> = ["askee-runner", mode].into_iter().chain(seconds.as_deref()).collect();
    let places = [
        (its_input.as_raw_fd(), 0),
        (its_output.as_raw_fd(), 1),
        (spec.control.as_raw_fd(), CONTROL_PLACE),
        (its_lifeline.as_raw_fd(), LIFELINE_PLACE),
        (its_status.as_raw_fd(), STATUS_PLACE),
    ];
    let pid = spawn(spec.program, &arguments, &places)?;
    // From here on every way out kills and collects it.
    let mut work = Work { pid, layers: Vec::new(), _lifeline: lifeline, end: None };
    drop((its_input, its_output, its_lifeline, its_status));
    let background = sys::make_background(pid);
    // One byte, when its limits are set and the sandbox is on; the end of the pipe, when it gave up.
    File::from(status)
        .read_exact(&mut [0])
        .map_err(|_| io::Error::other("the runner could not confine itself (sandbox_init or rlimits)"))?;
    work.layers = layers(pid, background);
    let started = Started {
        who: spec.who,
        input: Box::new(File::from(input)),
        output: Box::new(File::from(output)),
        wait: Box::new(move || sys::wait_for_exit(pid)),
    };
    Ok((work, started))
}

/// The two opaque objects of posix_spawn, let go of whatever happens.
struct Spawn {
    attributes: *mut c_void,
    actions: *mut c_void,
}

impl Spawn {
    fn new() -> io::Result<Self> {
        let mut spawn = Self { attributes: null_mut(), actions: null_mut() };
        // SAFETY: two places for the objects.
        unsafe {
            spawned(sys::posix_spawnattr_init(&raw mut spawn.attributes))?;
            spawned(sys::posix_spawn_file_actions_init(&raw mut spawn.actions))?;
        }
        Ok(spawn)
    }
}

impl Drop for Spawn {
    fn drop(&mut self) {
        // SAFETY: initialised, or null, which is ignored with an error.
        unsafe {
            sys::posix_spawnattr_destroy(&raw mut self.attributes);
            sys::posix_spawn_file_actions_destroy(&raw mut self.actions);
        }
    }
}

/// These calls return the error's number.
fn spawned(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Nothing is inherited but these descriptors, at these places: no environment, no signal handling, no mask.
fn spawn(program: &Path, arguments: &[&str], places: &[(RawFd, RawFd)]) -> io::Result<c_int> {
    const O_WRONLY: c_int = 1;
    let path = CString::new(program.as_os_str().as_encoded_bytes())?;
    let arguments: Vec<CString> = arguments.iter().map(|text| CString::new(*text)).collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = arguments.iter().map(|text| text.as_ptr()).collect();
    pointers.push(null());
    let environment: [*const c_char; 1] = [null()];
    let (every_signal, no_signal) = (u32::MAX, 0u32);
    let mut spawn = Spawn::new()?;
    let mut pid = 0;
    // SAFETY: both objects are initialised; texts and lists end with 0 and live through the calls.
    unsafe {
        let (attributes, actions) = (&raw mut spawn.attributes, &raw mut spawn.actions);
        // A group of its own in our session: when we are gone it is orphaned, and a stopped member gets SIGHUP and SIGCONT.
        spawned(sys::posix_spawnattr_setflags(attributes, SETPGROUP | SETSIGDEF | SETSIGMASK | CLOEXEC_DEFAULT))?;
        spawned(sys::posix_spawnattr_setpgroup(attributes, 0))?;
        spawned(sys::posix_spawnattr_setsigdefault(attributes, &raw const every_signal))?;
        spawned(sys::posix_spawnattr_setsigmask(attributes, &raw const no_signal))?;
        for (from, to) in places {
            spawned(sys::posix_spawn_file_actions_adddup2(actions, *from, *to))?;
        }
        spawned(sys::posix_spawn_file_actions_addopen(actions, 2, c"/dev/null".as_ptr(), O_WRONLY, 0))?;
        spawned(sys::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            actions,
            attributes,
            pointers.as_ptr(),
            environment.as_ptr(),
        ))?;
    }
    Ok(pid)
}

/// What the kernel says of a process that says that it is confined.
fn layers(pid: c_int, background: io::Result<()>) -> Vec<Layer> {
    let allowed: Vec<_> = DENIED.iter().filter(|what| !inspect::is_denied(pid, Some(what))).collect();
    let sandbox = match (inspect::is_denied(pid, None), allowed.is_empty()) {
        (true, true) => Layer::enforced("sandbox", "deny default: no file, network, process or service"),
        (true, false) => Layer::missing("sandbox", format!("not denied: {allowed:?}")),
        (false, _) => Layer::missing("sandbox", "set, but not seen in force"),
    };
    let descriptors = match inspect::descriptors_of(pid) {
        Some(list) if list.iter().all(|fd| *fd <= STATUS_PLACE) => {
            Layer::enforced("own-descriptors", "pipes and the control page")
        }
        Some(list) => Layer::missing("own-descriptors", format!("has {list:?}")),
        None => Layer::missing("own-descriptors", "cannot look"),
    };
    let hardened = if inspect::is_hardened(pid) {
        Layer::enforced("hardened-runtime", "")
    } else {
        Layer::missing("hardened-runtime", "the runner is not signed for it")
    };
    vec![
        sandbox,
        descriptors,
        Layer::enforced("rlimits", "no core, file, process or further descriptor; as the runner says"),
        Layer::enforced("parent-death", "a thread of the runner at the end of a pipe; SIGHUP where it is stopped"),
        match background {
            Ok(()) => Layer::enforced("background", "PRIO_DARWIN_BG: processor, disk and network"),
            Err(error) => Layer::missing("background", error.to_string()),
        },
        hardened,
        Layer::missing("syscall-filter", "macOS has none beside the sandbox"),
        Layer::missing("memory-cap", "macOS has no hard limit of memory for a process"),
    ]
}

impl Work {
    /// Still in its sandbox: there is no way out of one, and the kernel says so.
    pub fn is_sealed(&self) -> bool {
        inspect::is_denied(self.pid, None)
    }

    /// How it ended, collected now if it has.
    pub fn reap(&mut self, waits: Waits) -> Option<End> {
        if self.end.is_none() {
            self.end = sys::collect(self.pid, waits).and_then(|(status, usage)| {
                let end = match (status & 0x7f, status >> 8 & 0xff) {
                    (0, code) => End::Exited(code as u32),
                    // Stopped, not ended.
                    (0x7f, _) => return None,
                    (signal, _) => End::Signalled(signal as u32),
                };
                Some((end, usage))
            });
        }
        self.end.map(|(end, _)| end)
    }

    /// Processor time, resident bytes and the most there were, also after its end.
    pub fn measure(&self) -> (u64, u64, u64) {
        if let Some((_, usage)) = &self.end {
            return (usage.processor_ns(), 0, usage.peak_bytes.unsigned_abs());
        }
        inspect::usage_of(self.pid).map_or((0, 0, 0), |info| {
            (inspect::nanoseconds(info.processor_ticks()), info.footprint_bytes(), info.peak_footprint_bytes())
        })
    }

    /// One that has ended and was not collected takes signals without effect.
    pub fn signal(&self, signal: c_int) -> io::Result<()> {
        if self.end.is_some() { Ok(()) } else { sys::send_signal(self.pid, signal) }
    }

    /// Returns when it executes nothing any more.
    pub fn stop(&self) -> Result<(), String> {
        let start = Instant::now();
        self.signal(sys::SIGSTOP).map_err(|error| error.to_string())?;
        while self.end.is_none() && !inspect::stands_still(self.pid) {
            if start.elapsed() > LONGEST {
                return Err(format!("expected the work to stand still within {LONGEST:?}"));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = self.signal(sys::SIGKILL);
        // Without a handler for any signal this returns when it has ended.
        let _ = self.reap(Waits::Yes);
    }
}
