//! Whether AppArmor confines a process (installers/linux/apparmor).

use crate::report::Layer;
use std::fs;

const NAME: &str = "apparmor";
const ENFORCED: &str = " (enforce)";

/// What the kernel says of process `pid`, once it executes the runner.
pub fn layer(pid: i32) -> Layer {
    // The first is the module's own name for it (5.8); the second belongs to whichever module is the first.
    let label = ["attr/apparmor/current", "attr/current"]
        .iter()
        .find_map(|file| fs::read_to_string(format!("/proc/{pid}/{file}")).ok());
    let Some(label) = label else { return Layer::missing(NAME, "not in this kernel") };
    match label.trim_end_matches(['\n', '\0']).strip_suffix(ENFORCED) {
        Some(profile) => Layer::enforced(NAME, profile),
        None if label.starts_with("unconfined") => Layer::missing(NAME, "no profile loaded"),
        None => Layer::missing(NAME, format!("the profile is not enforced: {}", label.trim())),
    }
}
