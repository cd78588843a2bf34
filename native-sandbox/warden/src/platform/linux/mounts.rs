//! A root of its own, read-only: empty for a runner that needs no file, else with the listed files and nothing beside them.
//! No other file of the machine has a name here, and there is no /proc and no /dev.

use super::sys;
use crate::policy::ListedFile;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::RawFd;

const MS_RDONLY: u64 = 1;
const MS_NOSUID: u64 = 2;
const MS_NODEV: u64 = 4;
const MS_NOEXEC: u64 = 8;
const MS_REMOUNT: u64 = 32;
const MS_REC: u64 = 0x4000;
const MS_PRIVATE: u64 = 1 << 18;
const MNT_DETACH: i32 = 2;
const NOTHING: u64 = MS_NOSUID | MS_NODEV | MS_NOEXEC;
/// Any directory that is always there will do: in our own namespace something else is put over it.
const PLACES: [&CStr; 4] = [c"/tmp", c"/dev", c"/proc", c"/usr"];
const OPEN_TREE_CLONE: u64 = 1;
const O_CLOEXEC: u64 = 0o2_000_000;
const AT_FDCWD: i64 = -100;
const AT_EMPTY_PATH: u64 = 0x1000;
const MOVE_MOUNT_F_EMPTY_PATH: u64 = 4;
/// Read-only, no set-user-id, no devices.
const MOUNT_ATTRIBUTES: u64 = 1 | 2 | 4;
const MOST_FILES: usize = 48;

/// What is to be in the root, prepared before the fork.
pub struct Root {
    /// Of tmpfs: no room but for the names.
    options: CString,
    /// Relative, each after the one it is in.
    folders: Vec<CString>,
    files: Vec<(CString, CString)>,
    is_executable: Vec<bool>,
}

impl Root {
    /// # Errors
    /// More files than there is room for, or a path that is none.
    pub fn of(listed: &[ListedFile]) -> io::Result<Self> {
        if listed.len() > MOST_FILES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut folders: Vec<&str> = Vec::new();
        let mut files = Vec::new();
        for file in listed {
            let inside = file.inside.trim_start_matches('/');
            for (at, _) in inside.match_indices('/') {
                if !folders.contains(&&inside[..at]) {
                    folders.push(&inside[..at]);
                }
            }
            files.push((CString::new(file.outside.as_os_str().as_encoded_bytes())?, CString::new(inside)?));
        }
        // Who makes names in it may write in it, or would need a capability for that, which AppArmor does not give. Then it is
        // read-only like the other.
        let mode = if files.is_empty() { "0555" } else { "0755" };
        Ok(Self {
            options: CString::new(format!("size=64k,nr_inodes={},mode={mode}", 2 + folders.len() + files.len()))?,
            folders: folders.into_iter().map(CString::new).collect::<Result<_, _>>()?,
            files,
            is_executable: listed.iter().map(|file| file.executes).collect(),
        })
    }
}

/// Each file as a mount of its own, in the child; closed by exec.
pub struct Taken {
    trees: [RawFd; MOST_FILES],
    count: usize,
}

impl Taken {
    /// Descriptors of the files, and whether each may be executed.
    pub fn files<'a>(&'a self, root: &'a Root) -> impl Iterator<Item = (RawFd, bool)> + 'a {
        self.trees[..self.count].iter().copied().zip(root.is_executable.iter().copied())
    }
}

/// Takes hold of the files. As whom the warden is: a file in a folder that only root may enter can be listed by root.
pub fn take_files(root: &Root) -> io::Result<Taken> {
    let mut taken = Taken { trees: [-1; MOST_FILES], count: 0 };
    let attributes = [MOUNT_ATTRIBUTES, 0, 0, 0];
    for (outside, _) in &root.files {
        // SAFETY: a C string that lives through the call, and numbers.
        let tree = sys::check(unsafe {
            sys::syscall(sys::number::OPEN_TREE, AT_FDCWD, outside.as_ptr(), OPEN_TREE_CLONE | O_CLOEXEC)
        })?;
        // SAFETY: `struct mount_attr` is four words; the path is empty.
        sys::check(unsafe {
            let size = size_of_val(&attributes);
            sys::syscall(
                sys::number::MOUNT_SETATTR,
                tree,
                c"".as_ptr(),
                AT_EMPTY_PATH,
                &raw const attributes,
                size,
            )
        })?;
        taken.trees[taken.count] = tree as RawFd;
        taken.count += 1;
    }
    Ok(taken)
}

pub fn enter_root(root: &Root, taken: &Taken) -> io::Result<()> {
    sys::mount_at(c"none", c"/", c"none", MS_REC | MS_PRIVATE, c"")?;
    let mut result = Err(io::Error::from(io::ErrorKind::NotFound));
    let mut place = PLACES[0];
    for candidate in PLACES {
        result = sys::mount_at(c"none", candidate, c"tmpfs", NOTHING, &root.options);
        place = candidate;
        if result.is_ok() {
            break;
        }
    }
    result?;
    sys::change_directory(place)?;
    for folder in &root.folders {
        sys::make_folder(folder)?;
    }
    for ((_, inside), tree) in root.files.iter().zip(taken.trees) {
        sys::make_file(inside)?;
        // SAFETY: C strings that live through the call, and numbers.
        sys::check(unsafe {
            let (nothing, flags) = (c"".as_ptr(), MOVE_MOUNT_F_EMPTY_PATH);
            sys::syscall(sys::number::MOVE_MOUNT, i64::from(tree), nothing, AT_FDCWD, inside.as_ptr(), flags)
        })?;
    }
    pivot()?;
    sys::unmount(c".", MNT_DETACH)?;
    sys::change_directory(c"/")?;
    sys::mount_at(c"none", c"/", c"none", NOTHING | MS_REMOUNT | MS_RDONLY, &root.options)
}

/// `pivot_root(".", ".")`: the old root lies over the new one until it is taken off. See pivot_root(2).
fn pivot() -> io::Result<()> {
    let here = c".".as_ptr();
    // SAFETY: two pointers to a constant C string.
    sys::check(unsafe { sys::syscall(sys::number::PIVOT_ROOT, here, here) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_2_a_root_has_a_name_for_each_listed_file_and_for_nothing_else() {
        let names = ["/lib64/ld.so", "/lib/a.so", "/lib/deep/b.so", "/c"];
        let listed = names.map(|inside| ListedFile {
            inside: inside.to_owned(),
            outside: "/usr/lib/x".into(),
            executes: inside.ends_with("ld.so"),
        });
        let root = Root::of(&listed).unwrap();
        assert_eq!(root.folders, [c"lib64", c"lib", c"lib/deep"].map(CStr::to_owned));
        assert_eq!(root.options.as_c_str(), c"size=64k,nr_inodes=9,mode=0755");
        assert_eq!(root.is_executable, [true, false, false, false]);
        let empty = Root::of(&[]).unwrap();
        assert_eq!(empty.options.as_c_str(), c"size=64k,nr_inodes=2,mode=0555");
        assert!(Root::of(&vec![listed[0].clone(); MOST_FILES + 1]).is_err());
    }
}
