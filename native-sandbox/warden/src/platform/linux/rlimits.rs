//! Limits of setrlimit(2): they hold with and without cgroups. The child sets all it can; what the kernel then shows of
//! it is what counts.

use super::sys;
use crate::cache;
use crate::report::Layer;
use std::fs;
use std::io;

/// A limit: its number for the kernel, the name of its row in /proc/PID/limits, and what the work gets.
struct Limit {
    resource: u32,
    row: &'static str,
    most: u64,
}

const fn limit(resource: u32, row: &'static str, most: u64) -> Limit {
    Limit { resource, row, most }
}

/// The main thread's stack: the engine lets a task use half of it at most.
pub const STACK_BYTES: u64 = 16 * 1024 * 1024;
const OPEN_FILES: u64 = 16;
/// V8's loop and threads wake one another through some twenty. Once started it takes no more, whatever is said here.
const OPEN_FILES_OF_V8: u64 = 64;
/// In the words of RLIMIT_NICE: nice 19, no less. At 0 the warden could not take it out of the idle class to die.
const NICEST: u64 = 1;

const STACK: Limit = limit(3, "Max stack size", STACK_BYTES);
const OTHERS: [Limit; 8] = [
    limit(1, "Max file size", 0),
    limit(4, "Max core file size", 0),
    limit(8, "Max locked memory", 0),
    limit(10, "Max file locks", 0),
    limit(11, "Max pending signals", 16),
    limit(12, "Max msgqueue size", 0),
    limit(13, "Max nice priority", NICEST),
    limit(14, "Max realtime priority", 0),
];

/// Private writable memory. The address space is not bounded, because the engine reserves it.
fn data(bytes: u64) -> Limit {
    limit(2, "Max data size", bytes)
}

/// Processes and threads beside the first. The kernel does not hold the system's own root to it.
fn processes(most: u64) -> Limit {
    limit(6, "Max processes", most)
}

fn open_files(most: u64) -> Limit {
    limit(7, "Max open files", most)
}

/// Processor time, in seconds.
fn cpu_time(seconds: u64) -> Limit {
    limit(0, "Max cpu time", seconds)
}

/// What a process is to be held to.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Private writable memory.
    pub memory_bytes: u64,
    /// `None` for no limit but the inherited one.
    pub cpu_seconds: Option<u64>,
    /// Threads that V8 may start; 0 for a process that stays alone with itself.
    pub threads: u64,
}

impl Bounds {
    fn processes(self) -> Limit {
        // The first thread counts too; where there are none others the limit forbids what is not there yet.
        processes(if self.threads == 0 { 0 } else { self.threads + 1 })
    }

    fn open_files(self) -> Limit {
        open_files(if self.threads == 0 { OPEN_FILES } else { OPEN_FILES_OF_V8 })
    }

    /// In the order in which they are set: what a task could hurt others with comes first.
    fn limits(self) -> impl Iterator<Item = Limit> {
        let first = self.cpu_seconds.map(cpu_time).into_iter();
        [data(self.memory_bytes)]
            .into_iter()
            .chain(first)
            .chain([self.processes(), STACK, self.open_files()])
            .chain(OTHERS)
    }
}

/// What the warden may hold beside modules: its buffers, what a task's output waits in.
const WARDEN_BYTES: u64 = 64 * 1024 * 1024;
/// A LOAD and the MODULE made of it.
const MODULES_BYTES: u64 = 2 * 65 * 1024 * 1024;

/// For the warden itself, which holds what its children say. Every buffer has its own bound; should one of them fail, the
/// warden ends, and its work with it, before the machine suffers. Only the soft limit: children have limits of their own.
pub fn bound_warden(compile_memory_bytes: u64) -> io::Result<()> {
    let Limit { resource, most, .. } =
        data(WARDEN_BYTES + MODULES_BYTES + compile_memory_bytes.min(cache::MOST_BYTES as u64));
    let hard = sys::hard_limit(resource)?;
    sys::limit_between(resource, most.min(hard), hard)
}

/// In the child. An inherited hard limit that is lower already stays: it is as strict. One that cannot be set costs no other;
/// the first error is returned when all were tried.
pub fn apply(bounds: Bounds) -> io::Result<()> {
    let mut result = Ok(());
    for Limit { resource, most, .. } in bounds.limits() {
        let set = sys::hard_limit(resource).and_then(|hard| sys::limit(resource, most.min(hard)));
        result = result.and(set);
    }
    result
}

/// A task that runs out of the machine's stack ends in a fault where elsewhere it has a result. With less than every other
/// node has nothing is started; only the system's administrator can raise a hard limit.
pub fn check_stack() -> io::Result<()> {
    enough_stack(sys::hard_limit(STACK.resource)?)
}

fn enough_stack(hard: u64) -> io::Result<()> {
    if hard >= STACK_BYTES {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the hard limit of the stack is {hard} bytes here, and a task needs {STACK_BYTES}, or it would fail where it \
         succeeds on other machines; raise it (ulimit -Hs, LimitSTACK= of the service)"
    )))
}

/// Whether /proc shows that the process gets no descriptor any more, and cannot allow itself one.
pub fn opens_nothing(pid: i32) -> bool {
    let table = fs::read_to_string(format!("/proc/{pid}/limits"));
    table.is_ok_and(|table| limits_of(&table, open_files(0).row) == Some((0, 0)))
}

/// What /proc shows of the process, a layer for each limit that matters alone. `said` is what the child reported,
/// `is_root` whether the system's own root runs the work.
pub fn layers(pid: i32, bounds: Bounds, said: Option<&io::Error>, is_root: bool) -> Vec<Layer> {
    let table = fs::read_to_string(format!("/proc/{pid}/limits")).map_err(|error| format!("cannot look: {error}"));
    judge(table.as_deref(), bounds, said, is_root)
}

fn judge(table: Result<&str, &String>, bounds: Bounds, said: Option<&io::Error>, is_root: bool) -> Vec<Layer> {
    let because = said.map_or(String::new(), |error| format!(" ({error})"));
    let look = |limit: &Limit| {
        let found = table.map_err(String::clone)?;
        match limits_of(found, limit.row) {
            Some((_, hard)) if hard <= limit.most => Ok(hard),
            Some((_, u64::MAX)) => Err(format!("{}: none, expected {}{because}", limit.row, limit.most)),
            Some((_, hard)) => Err(format!("{}: {hard}, expected {}{because}", limit.row, limit.most)),
            None => Err(format!("{}: not shown by the kernel", limit.row)),
        }
    };
    let layer = |name, limit: &Limit, unit: &str| match look(limit) {
        Ok(hard) if hard == limit.most => Layer::enforced(name, format!("{hard} {unit}")),
        Ok(hard) => Layer::enforced(name, format!("{hard} {unit}, inherited; {} asked for", limit.most)),
        Err(why) => Layer::missing(name, why),
    };
    let mut layers = vec![layer("data-limit", &data(bounds.memory_bytes), "bytes")];
    layers.extend(bounds.cpu_seconds.map(|seconds| layer("cpu-time-limit", &cpu_time(seconds), "s")));
    layers.push(match is_root {
        true => Layer::missing("process-limit", "the kernel does not hold root to it"),
        false => layer("process-limit", &bounds.processes(), "processes"),
    });
    layers.push(layer("stack-limit", &STACK, "bytes"));
    let failed: Vec<String> =
        OTHERS.iter().chain([&bounds.open_files()]).filter_map(|limit| look(limit).err()).collect();
    layers.push(match failed.is_empty() {
        true => Layer::enforced("rlimits", "core, files, locks, signals, queues, priority"),
        false => Layer::missing("rlimits", failed.join("; ")),
    });
    layers
}

/// Soft and hard limit in a row of /proc/PID/limits; `u64::MAX` for unlimited.
fn limits_of(table: &str, row: &str) -> Option<(u64, u64)> {
    let rest = table.lines().find_map(|line| line.strip_prefix(row)).filter(|rest| rest.starts_with(' '))?;
    let mut words = rest.split_ascii_whitespace().map(|word| match word {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((words.next()??, words.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { memory_bytes: 1 << 26, cpu_seconds: Some(30), threads: 0 };
    const NAMES: [&str; 5] = ["data-limit", "cpu-time-limit", "process-limit", "stack-limit", "rlimits"];

    /// As the kernel writes it, with some values of our own.
    fn table(changes: &[(&str, &str)]) -> String {
        let mut out =
            String::from("Limit                     Soft Limit           Hard Limit           Units     \n");
        for Limit { row, most, .. } in BOUNDS.limits() {
            let value =
                changes.iter().find(|(name, _)| *name == row).map_or(most.to_string(), |(_, to)| (*to).into());
            out += &format!("{row:<25} {value:<20} {value:<20} units\n");
        }
        out
    }

    fn missing(table: Result<&str, &String>, is_root: bool) -> Vec<&'static str> {
        let layers = judge(table, BOUNDS, None, is_root);
        assert_eq!(layers.iter().map(|layer| layer.name).collect::<Vec<_>>(), NAMES);
        layers.iter().filter(|layer| !layer.is_enforced()).map(|layer| layer.name).collect()
    }

    #[test]
    fn sbx_3_each_limit_is_judged_by_what_the_kernel_shows() {
        assert!(missing(Ok(&table(&[])), false).is_empty());
        for (row, name) in [
            ("Max data size", "data-limit"),
            ("Max cpu time", "cpu-time-limit"),
            ("Max processes", "process-limit"),
            ("Max stack size", "stack-limit"),
            ("Max locked memory", "rlimits"),
            ("Max realtime priority", "rlimits"),
        ] {
            for value in ["unlimited", "99999999999", "what"] {
                assert_eq!(missing(Ok(&table(&[(row, value)])), false), [name], "{row} {value}");
            }
        }
        assert_eq!(missing(Ok(""), false), NAMES);
        assert_eq!(missing(Err(&"gone".to_owned()), false), NAMES);
        assert_eq!(missing(Ok(&table(&[])), true), ["process-limit"], "root may have as many as it likes");
    }

    #[test]
    fn sbx_3_a_lower_inherited_limit_holds_and_is_told() {
        let layers = judge(Ok(&table(&[("Max data size", "4096"), ("Max cpu time", "1")])), BOUNDS, None, false);
        let expected = [
            Layer::enforced("data-limit", "4096 bytes, inherited; 67108864 asked for"),
            Layer::enforced("cpu-time-limit", "1 s, inherited; 30 asked for"),
        ];
        assert_eq!(layers[..2], expected);
    }

    #[test]
    fn sbx_1_who_can_still_open_something_or_allow_itself_to_is_not_sealed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        let seen = [[16, 16], [0, 16], [0, 0]].map(|both: [u64; 2]| {
            let call = i64::from(askee_filter::sysno::PRLIMIT64);
            let (files, nothing) = (u64::from(open_files(0).resource), std::ptr::null::<u64>());
            // SAFETY: a valid `struct rlimit`, and nothing is to be written.
            sys::check(unsafe { sys::syscall(call, u64::from(child.id()), files, both.as_ptr(), nothing) })
                .unwrap();
            opens_nothing(pid)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((seen, opens_nothing(pid)), ([false, false, true], false));
    }

    #[test]
    fn wsm_1_less_stack_than_other_machines_give_is_refused() {
        assert!(enough_stack(STACK_BYTES).is_ok() && enough_stack(u64::MAX).is_ok());
        let why = enough_stack(STACK_BYTES - 1).unwrap_err().to_string();
        assert!(why.contains("16777215") && why.contains("ulimit -Hs"), "{why}");
    }
}
