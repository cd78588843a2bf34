//! Compiled modules on disk. Only what carries the MAC of the agent's key is ever handed to an engine.

use crate::sha256::{Sha256, hex, hmac, is_same};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"ASKEECM1";
const MAC_BYTES: usize = 32;
/// Most bytes of a compiled module.
pub const MOST_BYTES: usize = 512 * 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Compiled(Vec<u8>),
    Nothing,
    /// Something lay there that is not ours: cut, changed, or forged. It was removed.
    Forged,
}

pub struct Cache<'a> {
    directory: &'a Path,
    key: &'a [u8; 32],
}

/// Name of a compiled module: what was compiled, and by what.
pub fn identity(engine: &[u8], module: &[u8]) -> [u8; 32] {
    let module = Sha256::new().update(module).finish();
    let length = (engine.len() as u32).to_le_bytes();
    Sha256::new().update(b"askee/compiled/1").update(&length).update(engine).update(&module).finish()
}

impl<'a> Cache<'a> {
    pub fn new(directory: &'a Path, key: &'a [u8; 32]) -> Self {
        Self { directory, key }
    }

    fn path(&self, identity: &[u8; 32]) -> PathBuf {
        self.directory.join(format!("{}.compiled", hex(identity)))
    }

    /// The MAC is over the name too: a good file under another name is a forgery.
    fn mac(&self, identity: &[u8; 32], compiled: &[u8]) -> [u8; 32] {
        hmac(self.key, &[MAGIC, identity, compiled])
    }

    pub fn get(&self, identity: &[u8; 32]) -> Found {
        let path = self.path(identity);
        let Ok(file) = fs::File::open(&path) else { return Found::Nothing };
        let mut start = [0; MAGIC.len() + MAC_BYTES];
        let mut bytes = Vec::new();
        let read =
            (&file).read_exact(&mut start).and_then(|()| file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes));
        let mac: [u8; 32] = start[MAGIC.len()..].try_into().expect("32 bytes");
        let is_ours = read.is_ok() && start.starts_with(MAGIC) && is_same(&mac, &self.mac(identity, &bytes));
        if is_ours {
            return Found::Compiled(bytes);
        }
        let _ = fs::remove_file(&path);
        Found::Forged
    }

    pub fn put(&self, identity: &[u8; 32], compiled: &[u8]) -> io::Result<()> {
        let path = self.path(identity);
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let written = self.write(&draft, identity, compiled).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn write(&self, path: &Path, identity: &[u8; 32], compiled: &[u8]) -> io::Result<()> {
        let mut file = fs::File::options().write(true).create(true).truncate(true).open(path)?;
        file.write_all(MAGIC)?;
        file.write_all(&self.mac(identity, compiled))?;
        file.write_all(compiled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_4_a_forged_cut_or_renamed_compiled_module_is_never_given_out() {
        let directory = std::env::temp_dir().join(format!("askee-cache-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (key, other_key) = ([7; 32], [8; 32]);
        let cache = Cache::new(&directory, &key);
        let (name, other) = (identity(b"engine", b"module"), identity(b"engine2", b"module"));
        assert_eq!(cache.get(&name), Found::Nothing);
        cache.put(&name, b"machine code").unwrap();
        assert_eq!(cache.get(&name), Found::Compiled(b"machine code".to_vec()));

        let good = fs::read(cache.path(&name)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(cache.path(&name), &bad).unwrap();
            assert_eq!(cache.get(&name), Found::Forged, "byte {at}");
            assert_eq!(cache.get(&name), Found::Nothing, "a forgery is removed");
            fs::write(cache.path(&name), &good[..at]).unwrap();
            assert_eq!(cache.get(&name), Found::Forged, "cut to {at}");
        }
        fs::write(cache.path(&other), &good).unwrap();
        assert_eq!(cache.get(&other), Found::Forged, "under another name");
        Cache::new(&directory, &other_key).put(&name, b"machine code").unwrap();
        assert_eq!(cache.get(&name), Found::Forged, "with another key");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn sbx_4_identity_does_not_confuse_engine_and_module() {
        assert_ne!(identity(b"ab", b"c"), identity(b"a", b"bc"));
    }
}
