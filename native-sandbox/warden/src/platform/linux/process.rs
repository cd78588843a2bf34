//! Starts one confined process and says which layers hold it.

use super::cgroup::{self, Group};
use super::confine::{self, Step};
use super::mounts::Root;
use super::priority::{self, Autogroup};
use super::reaper::Reaper;
use super::rlimits::{self, Bounds};
use super::{namespaces, seccomp, sys};
use crate::policy::{ListedFile, Profile};
use crate::report::Layer;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// How long a killed process gets before it is hurried again: the kernel takes a change of an autogroup once in 100 ms.
pub const HURRY_AGAIN_NS: u64 = 10_000_000;

/// How much holds the process. Everything but `Full` exists in test builds only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    Full,
    #[cfg(feature = "escape")]
    WithoutSeccomp,
    #[cfg(feature = "escape")]
    None,
}

impl Confinement {
    fn has_limits(self) -> bool {
        #[cfg(feature = "escape")]
        return self != Self::None;
        #[cfg(not(feature = "escape"))]
        true
    }
}

pub struct Spec<'a> {
    pub profile: Profile,
    pub program: &'a File,
    /// All there is in the root.
    pub files: &'a [ListedFile],
    pub arguments: &'a [&'a str],
    pub bounds: Bounds,
    pub control: Option<&'a OwnedFd>,
    pub group: Option<&'a Group>,
    pub confinement: Confinement,
    /// Folder in which the warden may leave a draft when it is killed.
    pub drafts: Option<&'a Path>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Signalled(i32),
}

/// A confined process; killed and reaped when dropped.
pub struct Work {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// Writing end of its standard input, reading end of its output; none once closed.
    pub input: Option<OwnedFd>,
    pub output: Option<OwnedFd>,
    pub layers: Vec<Layer>,
    pub autogroup: Option<Autogroup>,
    /// To be kept as long as anything of the process has to be removed.
    pub reaper: Option<Reaper>,
    in_group: bool,
    pub end: Option<(End, sys::RUsage)>,
}

struct Channels {
    input: (OwnedFd, OwnedFd),
    output: (OwnedFd, OwnedFd),
    status: (OwnedFd, OwnedFd),
    gate: (OwnedFd, OwnedFd),
}

/// Starts the program. The layers of the result were all seen in force or are named as missing.
pub fn start(spec: &Spec) -> io::Result<Work> {
    if spec.confinement.has_limits() {
        rlimits::check_stack()?;
    }
    let channels =
        Channels { input: sys::pipe()?, output: sys::pipe()?, status: sys::pipe()?, gate: sys::pipe()? };
    let arguments: Vec<CString> =
        spec.arguments.iter().map(|text| CString::new(*text)).collect::<Result<_, _>>()?;
    let filter = spec.profile.loader();
    let root = Root::of(spec.files)?;
    let null = File::options().write(true).open("/dev/null")?;
    let group = spec.group.and_then(|group| group.open().ok());
    let group_fd = group.as_ref().map(AsRawFd::as_raw_fd);
    let (separate, forked) = fork(spec.confinement, group_fd)?;
    let namespaces::Forked::Parent { pid, pidfd } = forked else {
        confine::become_runner(&confine::Child {
            profile: spec.profile,
            root: &root,
            environment: spec.profile.environment(),
            input: channels.input.0.as_raw_fd(),
            output: channels.output.1.as_raw_fd(),
            errors: null.as_raw_fd(),
            status: channels.status.1.as_raw_fd(),
            gate: channels.gate.0.as_raw_fd(),
            other_gate_end: channels.gate.1.as_raw_fd(),
            control: spec.control.map(AsRawFd::as_raw_fd),
            program: spec.program.as_raw_fd(),
            arguments: &arguments,
            filter: &filter,
            bounds: spec.bounds,
            separate: separate.is_ok(),
            confinement: spec.confinement,
        })
    };
    // From here on every way out kills and reaps it.
    let Channels { input, output, status, gate } = channels;
    let mut work = Work::of(pid, pidfd);
    // A pipe that can take some bytes blocks who writes more: a program that does not read, frozen or hostile, would hold
    // the one thread that freezes and kills it.
    sys::set_nonblocking(input.1.as_raw_fd())?;
    sys::set_nonblocking(output.0.as_raw_fd())?;
    (work.input, work.output, work.in_group) = (Some(input.1), Some(output.0), spec.group.is_some());
    drop((input.0, output.1, status.1, gate.0));
    if let (Some(group), None) = (spec.group, group_fd) {
        group.add(pid)?;
    }
    guide(&mut work, spec, separate, File::from(status.0), File::from(gate.1))?;
    Ok(work)
}

/// A fork into namespaces, or without them where the system forbids them, and why.
fn fork(confinement: Confinement, group: Option<i32>) -> io::Result<(Result<(), io::Error>, namespaces::Forked)> {
    #[cfg(feature = "escape")]
    if confinement == Confinement::None {
        return namespaces::fork(false, None).map(|forked| (Err(io::Error::other("a control")), forked));
    }
    let _ = confinement;
    match namespaces::fork(true, group) {
        Ok(forked) => Ok((Ok(()), forked)),
        Err(why) => namespaces::fork(false, group).map(|forked| (Err(why), forked)),
    }
}

/// Gives the child its identity, hears what it reports, and lets it go on.
fn guide(
    work: &mut Work,
    spec: &Spec,
    separate: io::Result<()>,
    mut status: File,
    mut gate: File,
) -> io::Result<()> {
    let identity = match &separate {
        Ok(()) => namespaces::map_identity(work.pid),
        Err(why) => Err(io::Error::new(why.kind(), why.to_string())),
    };
    // While it still can be: later it is not dumpable.
    let opened = Autogroup::of(work.pid).map(|autogroup| work.autogroup = Some(autogroup));
    if let (Err(why), Profile::V8) = (&identity, spec.profile) {
        return Err(io::Error::other(format!("V8 needs namespaces, for a root with files of its own: {why}")));
    }
    gate.write_all(&[u8::from(identity.is_ok())])?;
    let mut record = [0u8; 5];
    let mut layers = Vec::new();
    let mut limits = None;
    while status.read_exact(&mut record).is_ok() {
        let [step, error @ ..] = record;
        let error = i32::from_le_bytes(error);
        let Some(step) = Step::from_byte(step) else { return Err(io::ErrorKind::InvalidData.into()) };
        if step == Step::Start {
            return Err(io::Error::from_raw_os_error(error));
        }
        if step == Step::Rlimits {
            // What the kernel shows of them, when the process is what it will be, is worth more.
            limits = (error != 0).then(|| io::Error::from_raw_os_error(error));
            continue;
        }
        let reason = || io::Error::from_raw_os_error(error).to_string();
        layers.push(match error {
            0 => Layer::enforced(spec.profile.layer_of(step), ""),
            _ => Layer::missing(spec.profile.layer_of(step), reason()),
        });
        match step {
            Step::IdlePriority => layers.push(autogroup_layer(work.autogroup.as_ref(), &opened)),
            Step::ParentDeath => {
                let reaper = Reaper::start(work, spec.group, spec.drafts);
                layers.push(match &reaper {
                    Ok(_) => {
                        Layer::enforced("reaper", "hurries a killed warden's work, removes its group and draft")
                    }
                    Err(why) => Layer::missing("reaper", why.to_string()),
                });
                work.reaper = reaper.ok();
                gate.write_all(&[1])?;
            }
            _ => {}
        }
    }
    work.layers = namespace_layers(work.pid, identity.as_ref().err());
    work.layers.extend(layers);
    let is_root = identity.is_err() && sys::user_id() == 0;
    work.layers.extend(rlimits::layers(work.pid, spec.bounds, limits.as_ref(), is_root));
    check_status(work);
    Ok(())
}

/// Sets it, in the session that the process has now.
fn autogroup_layer(autogroup: Option<&Autogroup>, opened: &io::Result<()>) -> Layer {
    match (autogroup.map(Autogroup::be_nicest), opened) {
        (Some(Ok(())), _) => Layer::enforced("autogroup", "nice 19"),
        (Some(Err(error)), _) => Layer::missing("autogroup", format!("{error}; tried again")),
        (None, Err(error)) => Layer::missing("autogroup", error.to_string()),
        (None, Ok(())) => Layer::missing("autogroup", "not opened"),
    }
}

const NAMESPACES: [(&str, &str); 7] = [
    ("user-namespace", "user"),
    ("pid-namespace", "pid"),
    ("mount-namespace", "mnt"),
    ("network-namespace", "net"),
    ("ipc-namespace", "ipc"),
    ("uts-namespace", "uts"),
    ("cgroup-namespace", "cgroup"),
];

/// Looks whether the process really has namespaces of its own.
fn namespace_layers(pid: i32, failed: Option<&io::Error>) -> Vec<Layer> {
    let layer = |(name, file): (&'static str, &str)| {
        if let Some(why) = failed {
            return Layer::missing(name, why.to_string());
        }
        let ours = fs::read_link(format!("/proc/self/ns/{file}"));
        match (ours, fs::read_link(format!("/proc/{pid}/ns/{file}"))) {
            (Ok(ours), Ok(its)) if ours != its => Layer::enforced(name, ""),
            (Ok(_), Ok(_)) => Layer::missing(name, "shared with the warden"),
            (Err(error), _) | (_, Err(error)) => Layer::missing(name, format!("cannot look: {error}")),
        }
    };
    NAMESPACES.into_iter().map(layer).collect()
}

/// Compares what the child said with what the kernel says of it.
fn check_status(work: &mut Work) {
    let status = fs::read_to_string(format!("/proc/{}/status", work.pid)).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or("").to_owned()
    };
    let capabilities = ["CapInh", "CapPrm", "CapEff", "CapAmb"];
    let none = capabilities.iter().all(|name| field(name).bytes().all(|digit| digit == b'0'));
    let bounded = field("CapBnd").bytes().all(|digit| digit == b'0');
    let expectations = [
        ("no-capabilities", none && !status.is_empty()),
        ("no-new-privileges", field("NoNewPrivs") == "1"),
        ("seccomp", field("Seccomp") == "2"),
    ];
    for layer in &mut work.layers {
        let differs = expectations.iter().any(|(name, holds)| *name == layer.name && !holds);
        if differs && layer.is_enforced() {
            *layer = Layer::missing(layer.name, "set, but not seen in force");
        } else if layer.name == "no-capabilities" && layer.is_enforced() {
            let how = if bounded { "bounding set empty" } else { "bounding set not empty" };
            *layer = Layer::enforced(layer.name, how);
        }
    }
}

impl Work {
    pub fn of(pid: i32, pidfd: OwnedFd) -> Self {
        let (input, output, layers) = (None, None, Vec::new());
        Self { pid, pidfd, input, output, layers, autogroup: None, reaper: None, in_group: false, end: None }
    }

    /// Whether it did what the kernel shows of sealing itself: a second filter of its own, and no new descriptors.
    pub fn is_sealed(&self) -> bool {
        seccomp::own_filters_of(self.pid).is_none_or(|count| count >= 2) && rlimits::opens_nothing(self.pid)
    }

    /// Collects its end when it has ended.
    pub fn reap(&mut self, options: i32) -> Option<End> {
        if self.end.is_none() {
            let waited = sys::wait(self.pid, options);
            let end = match waited {
                Ok(Some((status, usage))) if status & 0x7f == 0 => Some((End::Exited(status >> 8 & 0xff), usage)),
                Ok(Some((status, usage))) if status & 0xff != 0x7f => Some((End::Signalled(status & 0x7f), usage)),
                _ => None,
            };
            self.end = end;
        }
        self.end.map(|(end, _)| end)
    }

    /// Processor time it used, also after its end.
    pub fn processor_ns(&self) -> u64 {
        match &self.end {
            Some((_, usage)) => usage.processor_ns(),
            None => sys::clock(sys::processor_clock_of(self.pid)).unwrap_or(0),
        }
    }

    pub fn kill(&self) {
        if self.end.is_none() {
            priority::hurry(self.pid, self.autogroup.as_ref());
            let _ = sys::send_signal(self.pid, sys::SIGKILL);
            if self.in_group && !sys::has_ended(self.pidfd.as_raw_fd(), Some(HURRY_AGAIN_NS)).unwrap_or(true) {
                cgroup::release(self.pid);
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        while self.end.is_none() && self.reap(sys::WNOHANG).is_none() {
            self.kill();
            let _ = sys::has_ended(self.pidfd.as_raw_fd(), Some(HURRY_AGAIN_NS));
        }
    }
}
