//! [`DeliveryTransport`]: our delivery in the place of the transports that `sentry` brings along.

use std::{fmt, sync::Arc, time::Duration};

use sentry_core::{Envelope, Hub, Transport, TransportFactory, TransportOptions};
use watchpost_sentry::{
    delivery::{BufferLimits, Delivery, DeliveryConfig, DeliveryError},
    wire::{Dsn, DsnError},
};

/// How many bytes of events may wait, attachments included. `sentry` bounds the number of envelopes and not their size; Sentry
/// takes 20 MiB in one.
const ERROR_BYTES: usize = 24 * 1024 * 1024;

/// Sends the envelopes of a `sentry` client through a [`Delivery`]: retried through outages, held in its spool if it has one,
/// counted in its [`Outcome`](watchpost_sentry::delivery::Outcome), reported by its own client reports, with gzip. The items are
/// sent as `sentry` wrote them, whatever they are: events, attachments, transactions, sessions, check-ins, logs, metrics, and what
/// later versions add. See [`Delivery::envelope`].
///
/// `flush` and `shutdown` return when all is sent or their time is over, and never later, whatever the server does. They say
/// `false` when something is left, also if it is safe in the spool.
#[derive(Clone)]
pub struct DeliveryTransport {
    delivery: Delivery,
    /// Others use it too.
    is_shared: bool,
}

impl DeliveryTransport {
    /// A transport by a delivery that others use too: a client that closes flushes it and does not end it. Give it to
    /// `sentry::ClientOptions::transport` in an [`Arc`].
    ///
    /// What the client's own options say of DSN and proxy does not count then: the delivery's do.
    #[must_use]
    pub const fn shared(delivery: Delivery) -> Self {
        Self { delivery, is_shared: true }
    }

    /// The delivery, for its figures.
    #[must_use]
    pub const fn delivery(&self) -> &Delivery {
        &self.delivery
    }
}

impl Transport for DeliveryTransport {
    fn send_envelope(&self, envelope: Envelope) {
        let mut bytes = Vec::new();
        // A notice of the delivery's own, told through `tracing`, finds no client here, and so does not come back.
        let nobody = Arc::new(Hub::new(None, Arc::default()));
        Hub::run(nobody, || {
            let written = envelope.to_writer(&mut bytes).map_err(|error| error.to_string());
            let taken = written.and_then(|()| self.delivery.envelope(&bytes).map_err(|error| error.to_string()));
            if let Err(error) = taken {
                tracing::warn!(target: "watchpost", error, "an envelope of the application's own client is lost");
            }
        });
    }

    fn flush(&self, timeout: Duration) -> bool {
        self.delivery.flush(timeout).complete
    }

    fn shutdown(&self, timeout: Duration) -> bool {
        if self.is_shared { self.flush(timeout) } else { self.delivery.shutdown(timeout).complete }
    }
}

impl fmt::Debug for DeliveryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryTransport").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

/// Makes each client a [`DeliveryTransport`] of its own, to the client's DSN. `sentry::ClientOptions::transport` takes it.
///
/// Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`, …); `http_proxy`, `https_proxy`, `user_agent` and
/// `transport_channel_capacity` of the client's options do not count, and certificates are always checked.
///
/// ```
/// use watchpost::sentry_sdk::DeliveryTransportFactory;
/// use watchpost_sentry::delivery::SpoolConfig;
///
/// let transport = DeliveryTransportFactory::new()
///     .configure(|config| config.with_spool(SpoolConfig::new("/var/lib/my-server/spool")));
/// let options = sentry::ClientOptions::new().transport(transport);
/// # drop(options);
/// ```
#[derive(Clone)]
pub struct DeliveryTransportFactory {
    configure: Arc<dyn Fn(DeliveryConfig) -> DeliveryConfig + Send + Sync>,
}

impl DeliveryTransportFactory {
    /// Deliveries as [`DeliveryConfig::new`] has them, but with room for 24 MiB of events and their attachments.
    #[must_use]
    pub fn new() -> Self {
        Self { configure: Arc::new(|config| config) }
    }

    /// Changes what deliveries are made with, after what was said before: a spool, say, or the compression.
    #[must_use]
    pub fn configure(self, change: impl Fn(DeliveryConfig) -> DeliveryConfig + Send + Sync + 'static) -> Self {
        let before = self.configure;
        Self { configure: Arc::new(move |config| change(before(config))) }
    }

    fn deliver(&self, dsn: &str) -> Result<Delivery, StartError> {
        let dsn: Dsn = dsn.parse()?;
        let mut limits = BufferLimits::default();
        limits.errors = ERROR_BYTES;
        Ok(Delivery::start((self.configure)(DeliveryConfig::new(dsn).with_buffer_limits(limits)))?)
    }
}

impl Default for DeliveryTransportFactory {
    fn default() -> Self {
        Self::new()
    }
}

impl TransportFactory for DeliveryTransportFactory {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        if options.accept_invalid_certs {
            tracing::warn!(target: "watchpost", "accept_invalid_certs has no effect: certificates are always checked");
        }
        match self.deliver(&options.dsn.to_string()) {
            Ok(delivery) => Arc::new(DeliveryTransport { delivery, is_shared: false }),
            Err(error) => {
                tracing::error!(target: "watchpost", %error, "nothing of the application's own client is sent");
                Arc::new(Nothing)
            }
        }
    }
}

impl fmt::Debug for DeliveryTransportFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryTransportFactory").finish_non_exhaustive()
    }
}

/// Why there is no delivery.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Dsn(#[from] DsnError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

/// Where a client's envelopes go that cannot be delivered.
struct Nothing;

impl Transport for Nothing {
    fn send_envelope(&self, envelope: Envelope) {
        drop(envelope);
    }
}
