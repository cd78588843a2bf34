//! What the agent allows a task, and what it demands of the containment: the payload of POLICY.

use crate::report::Tier;
use std::path::PathBuf;

/// Most bytes of a POLICY.
pub const MOST_BYTES: usize = 8 * 1024;
const MIB: u64 = 1024 * 1024;
/// Names that may stand on several lines.
const REPEATED: [&str; 2] = ["argument", "file"];
const MOST_ARGUMENTS: usize = 32;
const MOST_FILES: usize = 48;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgroupChoice {
    /// No cgroup, whatever this machine has.
    None,
    /// Below the group the warden itself is in.
    Own,
    /// Below this group, which must be empty of processes and delegated to us.
    Below(PathBuf),
}

/// What kind of runner is held, and so how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `askee-runner`: linked statically, one thread, compiles in another process.
    Wasmtime,
    /// Node with a script: needs files to start, has threads, and makes code while a task runs.
    V8,
}

/// A file of this machine and the name it has for the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    pub inside: String,
    pub outside: PathBuf,
    /// The dynamic loader, which the kernel executes; other files are read.
    pub executes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The task is refused when the containment does not reach this.
    pub tier: Tier,
    /// Of one processor; 100 and more than one thread's worth means no limit. 1 to 100.
    pub cpu_percent: u32,
    /// All memory of the runner's process: the task's own, its input and output, and the engine.
    pub memory_bytes: u64,
    pub pids: u32,
    /// Largest output of a RESULT.
    pub output_bytes: u64,
    /// Disk traffic a second, where a cgroup can limit it.
    pub io_bytes_per_second: Option<u64>,
    pub cgroup: CgroupChoice,
    pub profile: Profile,
    /// The runner's program; default: beside the warden's.
    pub runner: Option<PathBuf>,
    /// Of V8's runner: what stands after the program's name.
    pub arguments: Vec<String>,
    /// Of V8's runner: all the files there are for it, readable.
    pub files: Vec<ListedFile>,
    pub cache_directory: Option<PathBuf>,
    pub cache_key: Option<[u8; 32]>,
    pub compile_memory_bytes: u64,
    pub compile_cpu_seconds: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tier: Tier::Contained,
            cpu_percent: 100,
            memory_bytes: 512 * MIB,
            pids: 1,
            output_bytes: 256 * MIB,
            io_bytes_per_second: None,
            cgroup: CgroupChoice::Own,
            profile: Profile::Wasmtime,
            runner: None,
            arguments: Vec::new(),
            files: Vec::new(),
            cache_directory: None,
            cache_key: None,
            compile_memory_bytes: 1024 * MIB,
            compile_cpu_seconds: 30,
        }
    }
}

impl Policy {
    /// Reads lines `name value`. Each name at most once but for `argument` and `file`; an unknown one, or a value out of range, is an error that says so.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        if payload.len() > MOST_BYTES {
            return Err(format!("expected at most {MOST_BYTES} bytes, received {}", payload.len()));
        }
        let text = std::str::from_utf8(payload).map_err(|_| "expected UTF-8".to_owned())?;
        let mut policy = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for line in text.lines() {
            let (name, value) =
                line.split_once(' ').ok_or_else(|| format!("expected `name value`, received `{line}`"))?;
            if seen.contains(&name) && !REPEATED.contains(&name) {
                return Err(format!("expected {name} once"));
            }
            seen.push(name);
            policy.set(name, value)?;
        }
        if policy.cache_directory.is_some() != policy.cache_key.is_some() {
            return Err("expected cache-directory and cache-key together".to_owned());
        }
        policy.check_profile()?;
        Ok(policy)
    }

    fn check_profile(&self) -> Result<(), String> {
        let is_v8 = self.profile == Profile::V8;
        if is_v8 && !cfg!(target_os = "linux") {
            return Err("profile v8 is held on Linux only".to_owned());
        }
        if is_v8 && (self.runner.is_none() || self.cache_directory.is_some()) {
            return Err("expected profile v8 with a runner and without a cache".to_owned());
        }
        if !(is_v8 || self.arguments.is_empty() && self.files.is_empty()) {
            return Err("expected argument and file with profile v8 only".to_owned());
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "tier" => {
                self.tier = Tier::parse(value).ok_or("expected tier contained or process")?;
            }
            "cpu-percent" => self.cpu_percent = number(name, value, 1, 100)? as u32,
            "memory-bytes" => self.memory_bytes = number(name, value, 16 * MIB, 1 << 40)?,
            "pids" => self.pids = number(name, value, 1, 1024)? as u32,
            "output-bytes" => self.output_bytes = number(name, value, 0, 256 * MIB)?,
            "io-bytes-per-second" => {
                self.io_bytes_per_second = Some(number(name, value, 4096, 1 << 40)?);
            }
            "cgroup" => {
                self.cgroup = match value {
                    "none" => CgroupChoice::None,
                    "own" => CgroupChoice::Own,
                    path => CgroupChoice::Below(absolute(name, path)?),
                };
            }
            "profile" => {
                self.profile = match value {
                    "wasmtime" => Profile::Wasmtime,
                    "v8" => Profile::V8,
                    _ => return Err("expected profile wasmtime or v8".to_owned()),
                };
            }
            "argument" => push_up_to(MOST_ARGUMENTS, name, &mut self.arguments, text(name, value)?)?,
            "file" => push_up_to(MOST_FILES, name, &mut self.files, listed(name, value)?)?,
            "interpreter" => push_up_to(MOST_FILES, name, &mut self.files, listed(name, value)?)?,
            "runner" => self.runner = Some(absolute(name, value)?),
            "cache-directory" => self.cache_directory = Some(absolute(name, value)?),
            "cache-key" => self.cache_key = Some(key(value)?),
            "compile-memory-bytes" => self.compile_memory_bytes = number(name, value, 64 * MIB, 1 << 40)?,
            "compile-cpu-seconds" => self.compile_cpu_seconds = number(name, value, 1, 3600)?,
            _ => return Err(format!("unknown name {name}")),
        }
        Ok(())
    }
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected {name} between {least} and {most}, received {value}")),
    }
}

fn absolute(name: &str, value: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(value);
    if path.is_absolute() { Ok(path) } else { Err(format!("expected {name} to be an absolute path")) }
}

fn push_up_to<T>(most: usize, name: &str, list: &mut Vec<T>, value: T) -> Result<(), String> {
    if list.len() == most {
        return Err(format!("expected at most {most} of {name}"));
    }
    list.push(value);
    Ok(())
}

fn text(name: &str, value: &str) -> Result<String, String> {
    if value.contains('\0') { Err(format!("expected {name} without a zero")) } else { Ok(value.to_owned()) }
}

/// `INSIDE OUTSIDE`. INSIDE is made, so it is held to what paths in the new root need: names of ordinary characters.
fn listed(name: &str, value: &str) -> Result<ListedFile, String> {
    let (inside, outside) = value.split_once(' ').ok_or(format!("expected {name} with two paths"))?;
    let is_plain = |name: &str| {
        let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        !name.is_empty() && name != "." && name != ".." && name.bytes().all(ordinary)
    };
    let is_name = inside.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain));
    if !is_name {
        return Err(format!("expected {name} with an absolute path of plain names, received {inside}"));
    }
    Ok(ListedFile {
        inside: inside.to_owned(),
        outside: absolute(name, &text(name, outside)?)?,
        executes: name == "interpreter",
    })
}

fn key(value: &str) -> Result<[u8; 32], String> {
    let wrong = || "expected cache-key as 64 hexadecimal digits".to_owned();
    if value.len() != 64 || !value.is_ascii() {
        return Err(wrong());
    }
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&value[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gov_7_limits_are_read_and_out_of_range_ones_refused() {
        let policy = Policy::parse(b"cpu-percent 25\nmemory-bytes 67108864\ntier process\ncgroup none").unwrap();
        assert_eq!((policy.cpu_percent, policy.memory_bytes), (25, 64 * MIB));
        assert_eq!((policy.tier, policy.cgroup), (Tier::Process, CgroupChoice::None));
        for wrong in [
            "cpu-percent 0",
            "cpu-percent 101",
            "cpu-percent 5\ncpu-percent 6",
            "memory-bytes 1",
            "tier none",
            "colour blue",
            "pids",
            "runner relative/path",
            "cache-directory /tmp",
            "cache-key 00",
            "profile other",
            "profile v8",
            "argument --version",
            "file /lib/a /lib/a",
        ] {
            assert!(Policy::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Policy::parse(&[0xff, 0xfe]).is_err());
        assert!(Policy::parse(&vec![b'a'; MOST_BYTES + 1]).is_err());
    }

    #[test]
    fn sbx_3_demands_the_contained_tier_by_default() {
        assert_eq!(Policy::parse(b"").unwrap().tier, Tier::Contained);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn sbx_2_a_profile_of_v8_names_every_file_its_runner_may_read() {
        let policy = "profile v8\nrunner /usr/bin/node\nargument --stack-size=900\nargument /runner/main.cjs\n";
        let parsed = Policy::parse(format!("{policy}file /lib/libc.so.6 /usr/lib/a folder/libc.so.6").as_bytes());
        let parsed = parsed.unwrap();
        assert_eq!(parsed.arguments, ["--stack-size=900", "/runner/main.cjs"]);
        assert_eq!(parsed.files[0].inside, "/lib/libc.so.6");
        assert_eq!(parsed.files[0].outside, PathBuf::from("/usr/lib/a folder/libc.so.6"));
        for wrong in
            ["/lib", "lib/a /lib/a", "/lib/../a /lib/a", "/lib//a /lib/a", "/ /lib/a", "/a lib/a", "/a\0 /a"]
        {
            assert!(Policy::parse(format!("{policy}file {wrong}").as_bytes()).is_err(), "{wrong}");
        }
        let many: String = (0..=MOST_FILES).map(|index| format!("file /lib/{index} /lib/a\n")).collect();
        assert!(Policy::parse(format!("{policy}{many}").as_bytes()).is_err());
    }
}
