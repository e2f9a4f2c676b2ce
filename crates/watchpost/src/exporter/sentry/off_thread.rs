//! Waiting in a future, on any runtime: a thread of its own waits and calls the future's waker. Flushes are few, and this way a
//! future keeps to its time whatever the exporter's thread is at.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    thread,
};

struct Slot<T> {
    result: Option<T>,
    waker: Option<Waker>,
}

/// What `work` gives; `None` if no thread could be had for it, or if it panicked.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    struct Finish<T>(Arc<Mutex<(Slot<T>, bool)>>);

    impl<T> Drop for Finish<T> {
        fn drop(&mut self) {
            let waker = {
                let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                slot.1 = true;
                slot.0.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    let slot = Arc::new(Mutex::new((Slot { result: None, waker: None }, false)));
    let finish = Finish(slot.clone());
    let spawned = thread::Builder::new().name("watchpost-flush".to_owned()).spawn(move || {
        let result = work();
        finish.0.lock().unwrap_or_else(PoisonError::into_inner).0.result = Some(result);
    });
    if spawned.is_err() {
        return None;
    }
    poll_fn(move |context| {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.1 {
            return Poll::Ready(slot.0.result.take());
        }
        slot.0.waker = Some(context.waker().clone());
        Poll::Pending
    })
    .await
}
