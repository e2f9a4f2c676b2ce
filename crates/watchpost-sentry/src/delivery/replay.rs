//! The limit beside which the delivery is measured: ready-made bodies, posted by its own HTTP client with as many in flight,
//! and nothing else.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::task::JoinSet;

use super::{
    answer::{Answer, Verdict},
    config::DeliveryConfig,
    http::{Client, Target},
};

/// Posts `body` so often and says how many requests were answered with 2xx. For benchmarks.
///
/// # Errors
/// If the configuration does not make a request, or no runtime can be set up.
pub fn post_repeatedly(config: &DeliveryConfig, body: &[u8], count: u64) -> io::Result<u64> {
    let client = Arc::new(Client::new(Target::new(config).map_err(io::Error::other)?, config));
    let (left, sent) = (Arc::new(AtomicU64::new(count)), Arc::new(AtomicU64::new(0)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let mut senders = JoinSet::new();
        for _ in 0..config.max_in_flight {
            let (client, left, sent, body) = (client.clone(), left.clone(), sent.clone(), body.to_vec());
            senders.spawn(async move {
                let one = |left: u64| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one).is_ok() {
                    if let Answer::Response(response) = client.post(body.clone().into()).await
                        && response.verdict() == Verdict::Sent
                    {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        senders.join_all().await;
    });
    Ok(sent.load(Ordering::Relaxed))
}
