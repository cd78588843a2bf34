//! A cgroup (version 2) for one piece of work, below a group that is delegated to us.

use super::{idle, own_group};
use crate::policy::{CgroupChoice, Policy};
use crate::report::Layer;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

const PREFIX: &str = "askee-";
/// Period of cpu.max: short, so that what is left of a core comes evenly.
const CPU_PERIOD_US: u64 = 20_000;
const EBUSY: i32 = 16;
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A group of our own; removed when dropped.
pub struct Group {
    pub path: PathBuf,
    pub limits_cpu: bool,
}

impl Group {
    /// Makes a group with the policy's limits. The layers say which of them the kernel took.
    pub fn create(policy: &Policy) -> (Option<Self>, Vec<Layer>) {
        let names = ["cgroup-cpu", "cgroup-memory", "cgroup-pids", "cgroup-io", "cgroup-kill", "cgroup-idle"];
        match Self::make(policy) {
            Ok((mut group, controllers)) => {
                let layers = group.limit(policy, &controllers);
                group.limits_cpu = layers[0].is_enforced();
                (Some(group), layers)
            }
            Err(why) => (None, names.into_iter().map(|name| Layer::missing(name, why.clone())).collect()),
        }
    }

    fn make(policy: &Policy) -> Result<(Self, String), String> {
        let parent = match &policy.cgroup {
            CgroupChoice::None => return Err("the policy wants none".to_owned()),
            CgroupChoice::Own => own_group::to_divide()?,
            CgroupChoice::Below(path) => path.clone(),
        };
        let available = fs::read_to_string(parent.join("cgroup.controllers"))
            .map_err(|error| format!("no cgroup v2 at {}: {error}", parent.display()))?;
        if !["cpu", "memory", "pids"].iter().any(|name| has(&available, name)) {
            return Err(format!("{} has no controllers", parent.display()));
        }
        sweep(&parent);
        // With processes in it, it could pass on cpu and pids only, and nothing could be started below it.
        if !idle::is_first(&parent) && own_group::holds_processes(&parent) {
            match policy.cgroup {
                CgroupChoice::Own => own_group::vacate(&parent)?,
                _ => return Err(format!("{} holds processes: it cannot be divided", parent.display())),
            }
        }
        let enabled = pass_on(&parent, &available)
            .map_err(|error| format!("{} is not delegated to us: {error}", parent.display()))?;
        own_group::check_way_to(&parent)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok((Self { path, limits_cpu: false }, enabled))
    }

    fn limit(&self, policy: &Policy, controllers: &str) -> Vec<Layer> {
        let quota = u64::from(policy.cpu_percent) * CPU_PERIOD_US / 100;
        let cpu = self.set("cpu.max", &format!("{quota} {CPU_PERIOD_US}")).map(|()| {
            let idle = self.set("cpu.idle", "1").is_ok();
            format!("cpu.max {}%{}", policy.cpu_percent, if idle { ", cpu.idle" } else { "" })
        });
        let memory = self.set("memory.max", &policy.memory_bytes.to_string()).map(|()| {
            let swap = self.set("memory.swap.max", "0").is_ok();
            let whole = self.set("memory.oom.group", "1").is_ok();
            format!("memory.max{}{}", if swap { ", no swap" } else { "" }, if whole { ", oom.group" } else { "" })
        });
        // One more for the compiling child beside the runner.
        let pids = self.set("pids.max", &(policy.pids + 1).to_string()).map(|()| "pids.max".to_owned());
        let io = match policy.io_bytes_per_second {
            _ if !has(controllers, "io") => Err("no io controller".to_owned()),
            None => Err("the policy sets no limit".to_owned()),
            Some(rate) => self.limit_disks(rate),
        };
        let kill = if self.path.join("cgroup.kill").exists() {
            Ok("cgroup.kill".to_owned())
        } else {
            Err("before Linux 5.14".to_owned())
        };
        let named = [
            ("cgroup-cpu", cpu),
            ("cgroup-memory", memory),
            ("cgroup-pids", pids),
            ("cgroup-io", io),
            ("cgroup-kill", kill),
            ("cgroup-idle", idle::give_way(self.path.parent().unwrap_or(&self.path), &self.path)),
        ];
        let layer = |(name, result)| match result {
            Ok(how) => Layer::enforced(name, how),
            Err(why) => Layer::missing(name, why),
        };
        named.into_iter().map(layer).collect()
    }

    fn limit_disks(&self, rate: u64) -> Result<String, String> {
        let mut disks = 0;
        for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
            let Ok(number) = fs::read_to_string(entry.path().join("dev")) else { continue };
            let line = format!("{} rbps={rate} wbps={rate}", number.trim());
            disks += u32::from(self.set("io.max", &line).is_ok());
        }
        if disks == 0 { Err("io.max took no disk".to_owned()) } else { Ok(format!("io.max on {disks} disks")) }
    }

    fn set(&self, file: &str, value: &str) -> Result<(), String> {
        fs::write(self.path.join(file), value).map_err(|error| format!("{file}: {error}"))
    }

    pub fn open(&self) -> io::Result<fs::File> {
        fs::File::open(&self.path)
    }

    /// For a kernel that cannot fork into a group.
    pub fn add(&self, pid: i32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// Asks for frozen (or not); true when every process of the group is.
    pub fn freeze(&self, frozen: bool) -> io::Result<()> {
        fs::write(self.path.join("cgroup.freeze"), if frozen { "1" } else { "0" })
    }

    pub fn is_frozen(&self) -> bool {
        self.event("cgroup.events", "frozen") == Some(1)
    }

    /// Whether the kernel killed something here for lack of memory.
    pub fn ran_out_of_memory(&self) -> bool {
        self.event("memory.events", "oom_kill").is_some_and(|count| count > 0)
    }

    fn event(&self, file: &str, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.path.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    pub fn kill(&self) {
        let _ = self.set("cgroup.kill", "1");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Ends what is in a group, and the group.
pub fn remove(group: &Path) {
    let _ = fs::write(group.join("cgroup.kill"), "1");
    // The kernel lets go of a group some moments after its last process.
    for _ in 0..200 {
        match fs::remove_dir(group) {
            Err(error) if error.raw_os_error() == Some(EBUSY) => sleep(Duration::from_millis(1)),
            _ => return,
        }
    }
}

/// Takes a process that was killed out of its group into our own: below an idle or used up group it would wait for its turn.
pub fn release(pid: i32) {
    if let Ok(group) = own_group::current() {
        // It may be gone, or the system may not want it: then it takes longer.
        let _ = fs::write(group.join("cgroup.procs"), pid.to_string());
    }
}

/// Removes what a killed warden left behind: empty groups of ours whose maker is gone. Nothing is killed for it: a maker in
/// another PID namespace cannot be seen from here, and what is in its group lives.
pub fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let maker = rest.split('-').next().unwrap_or("");
        if maker.parse::<u32>().is_ok() && !Path::new("/proc").join(maker).exists() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Has `group` pass on to those below it what it has. Which it then does, or why none.
fn pass_on(group: &Path, available: &str) -> io::Result<String> {
    let control = group.join("cgroup.subtree_control");
    let mut refused = None;
    for name in ["cpu", "memory", "pids", "io"] {
        // One refused controller must not cost the others.
        if has(available, name)
            && let Err(error) = fs::write(&control, format!("+{name}"))
        {
            refused = Some(error);
        }
    }
    let enabled = fs::read_to_string(&control).unwrap_or_default();
    match refused {
        Some(error) if enabled.trim().is_empty() => Err(error),
        _ => Ok(enabled),
    }
}

fn has(list: &str, name: &str) -> bool {
    list.split_whitespace().any(|item| item == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_3_a_group_without_controllers_is_missing_with_its_reason() {
        let directory = std::env::temp_dir().join(format!("askee-cgroup-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("cgroup.controllers"), "").unwrap();
        let policy = Policy { cgroup: CgroupChoice::Below(directory.clone()), ..Policy::default() };
        let (group, layers) = Group::create(&policy);
        fs::remove_dir_all(&directory).unwrap();
        assert!(group.is_none());
        assert!(layers.iter().all(|layer| !layer.is_enforced()));
        assert!(format!("{:?}", layers[0]).contains("has no controllers"));
    }

    #[test]
    fn gov_7_writes_the_limits_of_the_policy() {
        let directory = std::env::temp_dir().join(format!("askee-cgroup-limits-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("cgroup.controllers"), "cpu memory pids").unwrap();
        let policy =
            Policy { cgroup: CgroupChoice::Below(directory.clone()), cpu_percent: 25, ..Policy::default() };
        let (group, layers) = Group::create(&policy);
        let path = group.as_ref().unwrap().path.clone();
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap();
        assert_eq!(read("cpu.max"), "5000 20000");
        assert_eq!((read("memory.max"), read("memory.swap.max")), ("536870912".to_owned(), "0".to_owned()));
        assert_eq!((read("pids.max"), read("memory.oom.group")), ("2".to_owned(), "1".to_owned()));
        assert!(layers[..3].iter().all(Layer::is_enforced));
        drop(group);
        fs::remove_dir_all(&directory).unwrap();
    }
}
