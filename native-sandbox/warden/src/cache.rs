//! Compiled modules on disk, encrypted. Only what the agent's key authenticates is ever handed to an engine.
//!
//! Deterministic authenticated encryption after Rogaway and Shrimpton (SIV, 2006): the tag is HMAC-SHA-256 over name and
//! plain bytes, and the key of the stream cipher is HMAC-SHA-256 over the tag. Other bytes have another tag, so no key
//! stream ever serves twice, and the warden needs no entropy.

use crate::chacha20;
use crate::sha256::{Sha256, hex, hmac, is_same};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"ASKEECM2";
const TAG_BYTES: usize = 32;
/// Each use of the one key has a label of its own; none begins with another.
const NAME: &[u8] = b"askee/compiled/2/name";
const TAG: &[u8] = b"askee/compiled/2/tag";
const STREAM: &[u8] = b"askee/compiled/2/stream";
/// A stream's key serves for one file.
const NONCE: [u8; 12] = [0; 12];
/// Larger ones are compiled each time: the warden's one thread, which freezes and kills, is busy with a file for 8 ms a MiB, and
/// who breaks a compiler shall not fill the disk.
const MOST_KEPT_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes of a compiled module.
pub const MOST_BYTES: usize = 512 * 1024 * 1024;
/// Encrypted and written as one: a multiple of the cipher's blocks, small beside the module.
const PART_BYTES: usize = 256 * 1024;
const BLOCKS_A_PART: u32 = (PART_BYTES / 64) as u32;

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

/// What was compiled, and by what.
pub fn identity(engine: &[u8], module: &[u8]) -> [u8; 32] {
    let module = Sha256::new().update(module).finish();
    let length = (engine.len() as u32).to_le_bytes();
    Sha256::new().update(b"askee/compiled/1").update(&length).update(engine).update(&module).finish()
}

impl<'a> Cache<'a> {
    pub fn new(directory: &'a Path, key: &'a [u8; 32]) -> Self {
        Self { directory, key }
    }

    /// Whoever has the disk alone cannot tell from a name whether a module that he knows was compiled here.
    fn path(&self, identity: &[u8; 32]) -> PathBuf {
        self.directory.join(format!("{}.compiled", hex(&hmac(self.key, &[NAME, identity]))))
    }

    /// Over the identity too: a good file under another name is a forgery.
    fn tag(&self, identity: &[u8; 32], compiled: &[u8]) -> [u8; 32] {
        hmac(self.key, &[TAG, identity, compiled])
    }

    fn stream_key(&self, tag: &[u8; 32]) -> [u8; 32] {
        hmac(self.key, &[STREAM, tag])
    }

    pub fn get(&self, identity: &[u8; 32]) -> Found {
        let path = self.path(identity);
        let Ok(file) = fs::File::open(&path) else { return Found::Nothing };
        let mut start = [0; MAGIC.len() + TAG_BYTES];
        let mut bytes = Vec::new();
        let read = (&file)
            .read_exact(&mut start)
            .and_then(|()| file.take(MOST_KEPT_BYTES as u64 + 1).read_to_end(&mut bytes));
        let tag: [u8; 32] = start[MAGIC.len()..].try_into().expect("32 bytes");
        let is_whole = read.is_ok() && start.starts_with(MAGIC) && bytes.len() <= MOST_KEPT_BYTES;
        if is_whole {
            chacha20::apply(&self.stream_key(&tag), &NONCE, 0, &mut bytes);
        }
        if is_whole && is_same(&tag, &self.tag(identity, &bytes)) {
            return Found::Compiled(bytes);
        }
        let _ = fs::remove_file(&path);
        Found::Forged
    }

    /// Keeps it, unless it is larger than what is kept.
    pub fn put(&self, identity: &[u8; 32], compiled: &[u8]) -> io::Result<()> {
        if compiled.len() > MOST_KEPT_BYTES {
            return Ok(());
        }
        let path = self.path(identity);
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let written = self.write(&draft, identity, compiled).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn write(&self, path: &Path, identity: &[u8; 32], compiled: &[u8]) -> io::Result<()> {
        let tag = self.tag(identity, compiled);
        let key = self.stream_key(&tag);
        let mut file = fs::File::options().write(true).create(true).truncate(true).open(path)?;
        file.write_all(MAGIC)?;
        file.write_all(&tag)?;
        for (number, part) in (0..).zip(compiled.chunks(PART_BYTES)) {
            let mut part = part.to_vec();
            chacha20::apply(&key, &NONCE, number * BLOCKS_A_PART, &mut part);
            file.write_all(&part)?;
        }
        Ok(())
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
        assert!(!good.windows(7).any(|part| part == b"machine"), "nothing of it stands in clear");
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
        let foreign = Cache::new(&directory, &other_key);
        foreign.put(&name, b"machine code").unwrap();
        fs::rename(foreign.path(&name), cache.path(&name)).unwrap();
        assert_eq!(cache.get(&name), Found::Forged, "with another key");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn sto_1_a_compiled_module_of_many_parts_comes_back_and_its_name_takes_the_key() {
        let directory = std::env::temp_dir().join(format!("askee-cache-parts-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (cache, name) = (Cache::new(&directory, &[7; 32]), identity(b"engine", b"module"));
        for length in [0, 1, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 100] {
            // Zeros: what is on disk is the stream itself, and no part of it may come twice.
            cache.put(&name, &vec![0; length]).unwrap();
            assert_eq!(cache.get(&name), Found::Compiled(vec![0; length]), "length {length}");
            let sealed = fs::read(cache.path(&name)).unwrap();
            let mut blocks: Vec<&[u8]> = sealed[MAGIC.len() + TAG_BYTES..].chunks_exact(64).collect();
            let count = blocks.len();
            blocks.sort_unstable();
            blocks.dedup();
            assert_eq!(blocks.len(), count, "length {length}");
        }
        assert_ne!(cache.path(&name), Cache::new(&directory, &[8; 32]).path(&name));
        assert!(!cache.path(&name).to_str().unwrap().contains(&hex(&name)));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn gov_7_what_is_too_large_is_neither_kept_nor_believed() {
        let directory = std::env::temp_dir().join(format!("askee-cache-large-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let key = [7; 32];
        let cache = Cache::new(&directory, &key);
        let name = identity(b"engine", b"module");
        cache.put(&name, &vec![1; MOST_KEPT_BYTES + 1]).unwrap();
        assert_eq!(cache.get(&name), Found::Nothing);
        cache.write(&cache.path(&name), &name, &vec![1; MOST_KEPT_BYTES + 1]).unwrap();
        assert_eq!(cache.get(&name), Found::Forged);
        cache.put(&name, &vec![1; MOST_KEPT_BYTES]).unwrap();
        assert_eq!(cache.get(&name), Found::Compiled(vec![1; MOST_KEPT_BYTES]));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn sbx_4_identity_does_not_confuse_engine_and_module() {
        assert_ne!(identity(b"ab", b"c"), identity(b"a", b"bc"));
    }
}
