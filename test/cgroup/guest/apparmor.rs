//! The profile of installers/linux/apparmor on this kernel: loaded, in force around a task, and what it forbids by itself.

use crate::experiments::tell;
use crate::sys;
use crate::warden::{EXIT, FAULT, RESULT, RUNNER, Warden};
use std::fs;
use std::net::UdpSocket;
use std::process::Command;

const PARSER: &str = "/usr/sbin/apparmor_parser";
const PROFILE: &str = "/etc/apparmor.d/askee";
const SECURITY: &str = "/sys/kernel/security";
const LABEL: &str = "askee-runner//&askee-warden";
const V8_LABEL: &str = "askee-v8//&askee-warden";

/// Why it cannot be tried; `None` when it can.
fn missing() -> Option<&'static str> {
    sys::mount_at("securityfs", SECURITY);
    if !fs::exists(PARSER).unwrap_or(false) {
        Some("apparmor_parser is not installed on the host")
    } else if !fs::exists(format!("{SECURITY}/apparmor/.replace")).unwrap_or(false) {
        Some("no AppArmor in this kernel")
    } else {
        None
    }
}

/// Names of the layers that a warden calls missing.
fn lacking(report: &str) -> Vec<String> {
    let layers = report.split("{\"name\":\"").filter(|layer| layer.contains("\"state\":\"missing\""));
    layers.filter_map(|layer| layer.split('"').next()).map(str::to_owned).collect()
}

pub fn profile() {
    if let Some(why) = missing() {
        return println!("@@ {{\"notRun\":\"AppArmor: {why}\"}}");
    }
    let before = lacking(&Warden::start("quick", "cpu-percent 25").report);
    let v8_before = v8_task();
    tell(
        "V8 without AppArmor",
        "done",
        &format!("missing: {:?}; RESULT {}", v8_before.lacking, v8_before.is_done),
        v8_before.is_done,
    );
    let loaded = Command::new(PARSER).args(["--replace", "--skip-cache", PROFILE]).output();
    let said =
        loaded.as_ref().map_or_else(ToString::to_string, |output| String::from_utf8_lossy(&output.stderr).into());
    let is_loaded = loaded.is_ok_and(|output| output.status.success());
    tell("apparmor_parser", "the profile is loaded", &format!("{is_loaded} {said}"), is_loaded);

    let mut warden = Warden::start("quick", "cpu-percent 25");
    let label = warden.detail_of("apparmor").to_owned();
    let after = lacking(&warden.report);
    let lost: Vec<&String> = after.iter().filter(|name| !before.contains(name)).collect();
    warden.until(&[EXIT]);
    let result = warden.has_said(RESULT);
    tell(
        "task under AppArmor",
        "held by both profiles, no other layer lost, and done",
        &format!("{label}; lost {lost:?}; RESULT {result}"),
        label == LABEL && lost.is_empty() && result && before.iter().any(|name| name == "apparmor"),
    );
    let v8 = v8_task();
    let lost: Vec<&String> = v8.lacking.iter().filter(|name| !v8_before.lacking.contains(name)).collect();
    tell(
        "V8 under AppArmor",
        "held by both profiles, no other layer lost, and done",
        &format!("{}; lost {lost:?}; RESULT {}", v8.label, v8.is_done),
        v8.label == V8_LABEL && lost.is_empty() && v8.is_done,
    );
    denied();
    tries("apparmor control", "the same without the profile: nothing refused", "unconfined", |refused| {
        refused == 0
    });
    tries("apparmor alone", "a file, a socket and a program refused", "askee-runner", |refused| refused == TRIES);
    tries("apparmor of V8 alone", "refused too", "askee-v8", |refused| refused == TRIES);
    tries("apparmor of the warden", "refused too", "askee-warden", |refused| refused == TRIES);
}

/// What came of a task in V8.
struct V8Task {
    label: String,
    lacking: Vec<String>,
    is_done: bool,
}

fn v8_task() -> V8Task {
    let policy = fs::read_to_string("/task/v8.policy").expect("a policy");
    let mut warden = Warden::start("quick", &policy);
    // Node waits to be killed when it is done.
    while !warden.has_said(RESULT) && !warden.has_said(FAULT) && warden.until(&[RUNNER]).0 == RUNNER {}
    V8Task {
        label: warden.detail_of("apparmor").to_owned(),
        lacking: lacking(&warden.report),
        is_done: warden.has_said(RESULT),
    }
}

const TRIES: i32 = 3;

/// What a process under that profile and nothing else is refused.
fn tries(name: &str, asked: &str, profile: &'static str, holds: impl Fn(i32) -> bool) {
    let child = sys::in_child(|| {
        if profile != "unconfined"
            && fs::write("/proc/self/attr/current", format!("changeprofile {profile}")).is_err()
        {
            return 100;
        }
        let is_refused = |result: std::io::Result<()>| {
            i32::from(result.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied))
        };
        is_refused(fs::read("/etc/apparmor.d/askee").map(drop))
            + is_refused(UdpSocket::bind("0.0.0.0:0").map(drop))
            + is_refused(Command::new(PARSER).arg("--version").output().map(drop))
    });
    let refused = sys::reap(child, true).unwrap_or(-1);
    tell(name, asked, &format!("{refused} of {TRIES} refused"), holds(refused));
}

/// For whoever changes the profile: what it took away from the warden.
fn denied() {
    for line in sys::kernel_log().lines().filter(|line| line.contains("apparmor=\"DENIED\"")) {
        println!("{line}");
    }
}
