//! New trace and span ids: random, as W3C Trace Context asks (§5). Randomness is taken from the system 512 bytes at a time a
//! thread, because a span needs only 8 and asking costs more than making the span. A process that forks without `exec` must not
//! go on tracing in both halves: they would give the same ids.

use std::cell::RefCell;

use sha2::{Digest, Sha256};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

const POOL_BYTES: usize = 512;

struct Pool {
    bytes: [u8; POOL_BYTES],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], used: POOL_BYTES }) };
}

pub(super) fn trace_id() -> TraceId {
    TraceId(random())
}

pub(super) fn span_id() -> SpanId {
    SpanId(random())
}

/// Never all zeros, which would mean none.
fn random<const N: usize>() -> [u8; N] {
    loop {
        // The pool is gone while its thread ends.
        let bytes = POOL.try_with(|pool| pool.borrow_mut().take()).unwrap_or_else(|_| fresh());
        if bytes != [0; N] {
            return bytes;
        }
    }
}

impl Pool {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > POOL_BYTES {
            self.bytes = fresh();
            self.used = 0;
        }
        let bytes = std::array::from_fn(|index| self.bytes[self.used + index]);
        self.used += N;
        bytes
    }
}

/// From the system. Where it has no randomness, ids must still differ: the process, the clock and a counter are hashed instead.
fn fresh<const N: usize>() -> [u8; N] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);

    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        for chunk in bytes.chunks_mut(32) {
            let mut hasher = Sha256::new();
            hasher.update(std::process::id().to_be_bytes());
            hasher.update(Timestamp::now().nanos().to_be_bytes());
            hasher.update(COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            let hash: [u8; 32] = hasher.finalize().into();
            chunk.copy_from_slice(&hash[..chunk.len()]);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[test]
    fn ids_differ_within_and_across_threads() {
        let threads: Vec<_> =
            (0..4).map(|_| thread::spawn(|| (0..1000).map(|_| span_id()).collect::<Vec<_>>())).collect();
        let ids: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 4000);
        assert_ne!(trace_id(), trace_id());
    }
}
