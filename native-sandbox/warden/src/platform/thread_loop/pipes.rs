//! A thread for each end of a pipe: it reads when permitted, or writes one chunk, and says what came of it.

use crate::frames::CHUNK_BYTES;
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Sender, channel};
use std::thread;

pub type Input = Box<dyn Write + Send>;
pub type Output = Box<dyn Read + Send>;

/// A thread that reads when it is told to.
pub struct Reader {
    permits: Sender<()>,
    /// Nothing was asked of it since it last read.
    pub is_due: bool,
}

impl Reader {
    pub fn start<Event: Send + 'static>(
        mut from: Output,
        events: Sender<Event>,
        said: impl Fn(Option<Vec<u8>>) -> Event + Send + 'static,
    ) -> Self {
        let (permits, permitted) = channel::<()>();
        thread::spawn(move || {
            let mut buffer = vec![0; CHUNK_BYTES];
            while permitted.recv().is_ok() {
                let bytes = read(&mut from, &mut buffer).map(|count| buffer[..count].to_vec());
                let is_end = bytes.is_none();
                if events.send(said(bytes)).is_err() || is_end {
                    return;
                }
            }
        });
        Self { permits, is_due: true }
    }

    pub fn permit(&mut self) {
        if std::mem::take(&mut self.is_due) {
            // A reader that is gone has said so.
            let _ = self.permits.send(());
        }
    }
}

/// A thread that writes one chunk at a time.
pub struct Writer {
    chunks: Sender<Vec<u8>>,
    /// What it was given last is out.
    pub is_free: bool,
}

impl Writer {
    pub fn start<Event: Send + 'static>(
        mut to: Input,
        events: Sender<Event>,
        took: impl Fn(Option<usize>) -> Event + Send + 'static,
    ) -> Self {
        let (chunks, waiting) = channel::<Vec<u8>>();
        thread::spawn(move || {
            for chunk in waiting {
                let written = to.write_all(&chunk).and_then(|()| to.flush());
                let count = written.is_ok().then_some(chunk.len());
                if events.send(took(count)).is_err() || count.is_none() {
                    return;
                }
            }
        });
        Self { chunks, is_free: true }
    }

    pub fn offer(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes.filter(|bytes| self.is_free && !bytes.is_empty()) else { return };
        self.is_free = false;
        let _ = self.chunks.send(bytes[..bytes.len().min(CHUNK_BYTES)].to_vec());
    }
}

/// Bytes read; `None` at the end, and on an error, which is the same to us.
fn read(from: &mut Output, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match from.read(buffer) {
            Ok(0) => return None,
            Ok(count) => return Some(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
