//! Bytes that wait until they can be written.

/// Written from the front, added to at the back; what is written is let go of when all is, or when it is the greater part.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub fn push(&mut self, bytes: Vec<u8>) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    pub fn front(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.is_empty() {
            self.clear();
        }
    }

    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.sent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_1_bytes_leave_in_the_order_they_came() {
        let mut outbox = Outbox::default();
        let (mut out, mut next) = (Vec::new(), 0u8);
        for round in 0..100usize {
            outbox.push(
                (0..round % 7)
                    .map(|_| {
                        next = next.wrapping_add(1);
                        next
                    })
                    .collect(),
            );
            let take = outbox.len().min(round % 5);
            out.extend_from_slice(&outbox.front()[..take]);
            outbox.advance(take);
        }
        out.extend_from_slice(outbox.front());
        let expected: Vec<u8> = (0..out.len()).map(|n| (n + 1) as u8).collect();
        assert_eq!(out, expected);
        outbox.clear();
        assert!(outbox.is_empty());
    }
}
