//! Spare buffers: those of payloads that were sent, to be filled again. What one thread allocates and another frees would cost both
//! the allocator's lock, and the kernel fresh pages.

use hyper::body::Bytes;

/// Buffers to be filled again, few and small enough to be kept.
#[derive(Debug, Default)]
pub(super) struct Spares {
    buffers: Vec<Vec<u8>>,
    /// The capacity of all of them.
    bytes: usize,
}

/// As many as are sent in a millisecond when there is much to send,
const MAX_BUFFERS: usize = 32;

/// in so much memory,
const MAX_BYTES: usize = 1024 * 1024;

/// and none that a few huge items have blown up.
const MAX_BUFFER_BYTES: usize = 256 * 1024;

impl Spares {
    /// An empty buffer, with memory if there is one to spare.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a payload's buffer if nobody else holds it and it is worth keeping. Else it stays where it is: it is freed without
    /// the lock.
    pub(super) fn give(&mut self, payload: &mut Bytes) {
        let largest = MAX_BUFFER_BYTES.min(MAX_BYTES - self.bytes);
        let is_full = self.buffers.len() >= MAX_BUFFERS;
        if is_full || payload.is_empty() || payload.len() > largest || !payload.is_unique() {
            return;
        }
        let mut buffer = Vec::from(std::mem::take(payload));
        if buffer.capacity() <= largest {
            buffer.clear();
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        } else {
            *payload = buffer.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(capacity: usize) -> Bytes {
        let mut payload = Vec::with_capacity(capacity);
        payload.extend_from_slice(b"{}");
        payload.into()
    }

    #[test]
    fn a_buffer_comes_back_empty_and_with_its_memory() {
        let mut spares = Spares::default();
        let mut payload = payload(4_096);
        let address = payload.as_ptr();
        spares.give(&mut payload);
        let buffer = spares.take();
        assert_eq!((buffer.as_ptr(), buffer.len()), (address, 0));
        assert!(buffer.capacity() >= 4_096);
        assert_eq!(spares.take().capacity(), 0);
    }

    #[test]
    fn what_somebody_still_holds_is_left_to_them() {
        let mut spares = Spares::default();
        let payload = payload(4_096);
        spares.give(&mut payload.clone());
        assert_eq!(spares.take().capacity(), 0);
        assert_eq!(payload, b"{}"[..]);
    }

    #[test]
    fn neither_huge_buffers_are_kept_nor_many_nor_much() {
        let mut spares = Spares::default();
        let mut huge = payload(MAX_BUFFER_BYTES + 1);
        spares.give(&mut huge);
        assert_eq!((spares.take().capacity(), &*huge), (0, &b"{}"[..]));
        for (capacity, kept) in [(64, MAX_BUFFERS), (MAX_BUFFER_BYTES, MAX_BYTES / MAX_BUFFER_BYTES)] {
            let mut spares = Spares::default();
            (0..2 * MAX_BUFFERS).for_each(|_| spares.give(&mut payload(capacity)));
            let taken = (0..2 * MAX_BUFFERS).map(|_| spares.take()).filter(|buffer| buffer.capacity() > 0).count();
            assert_eq!((taken, spares.bytes), (kept, 0));
        }
    }
}
