//! A client of PROTOCOL.md.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

pub const FREEZE: u8 = 66;
pub const THAW: u8 = 67;
pub const KILL: u8 = 68;
pub const REPORT: u8 = 80;
pub const FROZEN: u8 = 83;
pub const THAWED: u8 = 84;
pub const EXIT: u8 = 86;
const REFUSED: u8 = 87;
pub const RUNNER: u8 = 81;
/// Frames of the runner.
const LOG: u8 = 8;
pub const RESULT: u8 = 9;
pub const FAULT: u8 = 10;
const TASK: u8 = 65;
const POLICY: u8 = 64;
pub const DELEGATED: &str = "/sys/fs/cgroup/askee";

pub struct Warden {
    pub child: Child,
    /// Below which its group is.
    below: String,
    pub report: String,
    /// What the runner said, all of it.
    pub said: Vec<u8>,
}

impl Warden {
    /// With a task that the host prepared, and lines of POLICY.
    pub fn start(task: &str, policy: &str) -> Self {
        Self::start_below(DELEGATED, DELEGATED, task, policy)
    }

    /// `cgroup` is POLICY's; `below` is where the group will be.
    pub fn start_below(cgroup: &str, below: &str, task: &str, policy: &str) -> Self {
        let child = Command::new("/usr/lib/askee/askee-warden")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a warden");
        let mut warden = Self { child, below: below.to_owned(), report: String::new(), said: Vec::new() };
        warden.send(POLICY, format!("cgroup {cgroup}\n{policy}").as_bytes());
        warden.report = String::from_utf8_lossy(&warden.until(&[REPORT]).1).into_owned();
        if !warden.report.starts_with('{') {
            println!("refused: {}", warden.report);
        }
        for chunk in fs::read(format!("/task/{task}")).expect("a task").chunks(65_536) {
            warden.send(TASK, chunk);
        }
        warden
    }

    pub fn send(&mut self, kind: u8, payload: &[u8]) {
        let header = [&[0x41, 0x4b, 1, kind][..], &(payload.len() as u32).to_le_bytes()].concat();
        let input = self.child.stdin.as_mut().expect("piped");
        let _ = input.write_all(&[&header, payload].concat());
    }

    /// The next frame of these kinds, or the last frame of all.
    pub fn until(&mut self, kinds: &[u8]) -> (u8, Vec<u8>) {
        loop {
            let output = self.child.stdout.as_mut().expect("piped");
            let mut header = [0; 8];
            if output.read_exact(&mut header).is_err() {
                return (0, Vec::new());
            }
            let mut payload = vec![0; u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize];
            let _ = output.read_exact(&mut payload);
            if header[3] == RUNNER {
                self.said.extend_from_slice(&payload);
            }
            if kinds.contains(&header[3]) || matches!(header[3], EXIT | REFUSED) {
                return (header[3], payload);
            }
        }
    }

    pub fn group(&self) -> String {
        format!("{}/askee-{}-0", self.below, self.child.id())
    }

    /// Whether REPORT calls the layer enforced.
    pub fn has_layer(&self, name: &str) -> bool {
        self.report.contains(&format!("{{\"name\":\"{name}\",\"state\":\"enforced\""))
    }

    /// How REPORT says the layer is in force, or why not.
    pub fn detail_of(&self, name: &str) -> &str {
        let layer = self.report.split_once(&format!("{{\"name\":\"{name}\",")).map_or("", |(_, rest)| rest);
        let detail = layer.split_once("\"detail\":\"").map_or("", |(_, rest)| rest);
        detail.split('"').next().unwrap_or("")
    }

    /// A number of a file of the group, by the word before it.
    pub fn number(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("{}/{file}", self.group())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }

    pub fn processor_us(&self) -> u64 {
        self.number("cpu.stat", "usage_usec")
    }

    /// Waits until the task itself runs, which says so by a line of log.
    pub fn until_running(&mut self) {
        while !self.has_said(LOG) {
            if self.until(&[RUNNER]).0 != RUNNER {
                return;
            }
        }
    }

    /// Whether the runner sent a frame of this type. Tasks here say nothing that looks like one.
    pub fn has_said(&self, kind: u8) -> bool {
        self.said.windows(4).any(|bytes| bytes == [0x41, 0x4b, 1, kind])
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
