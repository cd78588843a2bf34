//! The foreground wins: `cpu.idle` on the group that stands beside the person's programs. Idle is idle only among siblings, so
//! that the task's own group being so is worth nothing as long as the group above it has an ordinary weight.

use super::own_group;
use std::fs;
use std::path::Path;

const FILE: &str = "cpu.idle";

/// Makes the group above the tasks' groups idle. How, or why not. `own` is the task's own group.
pub fn give_way(parent: &Path, own: &Path) -> Result<String, String> {
    if is_first(parent) {
        // Then the task's own group is the one beside all others.
        return if is_idle(own) { Ok(told(own)) } else { Err(absent(parent)) };
    }
    if let Some(idle) = parent.ancestors().filter(|group| is_idle(group)).last() {
        return Ok(told(idle));
    }
    if own_group::current().is_ok_and(|ours| ours.starts_with(parent)) {
        return Err(format!(
            "the agent is in {} too and would itself give way: give tasks a group of their own",
            parent.display()
        ));
    }
    if !parent.join(FILE).exists() {
        return Err(absent(parent));
    }
    match fs::write(parent.join(FILE), "1") {
        Ok(()) if is_idle(parent) => Ok(told(parent)),
        Ok(()) => Err(format!("{FILE} of {} was set, but is not seen", parent.display())),
        Err(error) => Err(format!("{FILE} of {}: {error}; systemd: CPUWeight=idle", parent.display())),
    }
}

/// The first group of the hierarchy has no siblings, and none of these files.
pub fn is_first(group: &Path) -> bool {
    !group.join("cgroup.events").exists()
}

fn is_idle(group: &Path) -> bool {
    fs::read_to_string(group.join(FILE)).is_ok_and(|text| text.trim() == "1")
}

fn told(idle: &Path) -> String {
    let around = idle.parent().unwrap_or(idle);
    format!("{FILE} of {}: what else runs in {} goes first", idle.display(), around.display())
}

fn absent(group: &Path) -> String {
    let controllers = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let has_cpu = controllers.split_whitespace().any(|name| name == "cpu");
    if has_cpu { format!("before Linux 5.15: no {FILE}") } else { "no cpu controller".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Folders that look like `parent/task`.
    fn groups(name: &str) -> (PathBuf, PathBuf) {
        let parent = std::env::temp_dir().join(format!("askee-idle-{name}-{}", std::process::id()));
        let own = parent.join("task");
        fs::create_dir_all(&own).unwrap();
        fs::write(parent.join("cgroup.events"), "").unwrap();
        fs::write(parent.join("cgroup.controllers"), "cpu").unwrap();
        (parent, own)
    }

    #[test]
    fn gov_7_makes_the_group_beside_the_persons_programs_idle_and_says_so() {
        let (parent, own) = groups("set");
        fs::write(parent.join(FILE), "0").unwrap();
        let told = give_way(&parent, &own).unwrap();
        assert_eq!(fs::read_to_string(parent.join(FILE)).unwrap(), "1");
        assert!(told.starts_with(&format!("cpu.idle of {}", parent.display())), "{told}");
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn gov_7_in_the_first_group_the_tasks_own_is_the_one() {
        let (parent, own) = groups("first");
        fs::remove_file(parent.join("cgroup.events")).unwrap();
        assert!(give_way(&parent, &own).is_err());
        fs::write(own.join(FILE), "1").unwrap();
        assert!(give_way(&parent, &own).unwrap().contains("task"));
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn sbx_3_a_group_that_cannot_be_made_idle_is_told_with_its_reason() {
        let (parent, own) = groups("not");
        assert!(give_way(&parent, &own).unwrap_err().contains("before Linux 5.15"));
        fs::write(parent.join("cgroup.controllers"), "memory").unwrap();
        assert!(give_way(&parent, &own).unwrap_err().contains("no cpu controller"));
        fs::create_dir(parent.join(FILE)).unwrap();
        assert!(give_way(&parent, &own).unwrap_err().contains("CPUWeight=idle"));
        fs::remove_dir_all(parent).unwrap();
    }
}
