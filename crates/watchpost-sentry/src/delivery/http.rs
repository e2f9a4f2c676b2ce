//! HTTP/1.1 to one place: posts bodies over kept-alive connections and reads the answers, each within its time.
//!
//! Every exchange drives its own connection in its own task, so there are never more connections than slots, and of a
//! request that failed it is known whether it was written. (A general pooling client, measured, costs the same.)

use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Mutex, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Uri,
    body::Incoming,
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
};
use tokio::time::timeout;

use super::{
    answer::{Answer, Response, explain},
    body::Body,
    compress::{Encoder, Encoding},
    config::DeliveryConfig,
    connect::{BoxError, Connector, Io},
    error::DeliveryError,
};

/// A connection unused for so long is closed. Most servers close theirs after a minute or more.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// An answer's body is read up to here; with a longer one, its connection is given up.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How much of a refusal's body is kept: enough for the 200 characters that are logged.
const MAX_EXPLANATION_BYTES: usize = 1024;

const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");
const SENTRY_ERROR: HeaderName = HeaderName::from_static("x-sentry-error");
const SENTRY_AUTH: HeaderName = HeaderName::from_static("x-sentry-auth");

/// What does not change from request to request, made once.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Uri,
    path: Uri,
    headers: HeaderMap,
}

/// Posts bodies to one [`Target`].
pub(super) struct Client {
    target: Target,
    connector: Connector,
    idle: Mutex<Vec<Idle>>,
    encoder: Mutex<Encoder>,
    connect_timeout: Duration,
    request_timeout: Duration,
    secrets: Vec<String>,
}

struct Idle {
    channel: Channel,
    since: Instant,
}

/// An HTTP connection and the handle to send requests on it.
struct Channel {
    sender: http1::SendRequest<Full<Body>>,
    connection: http1::Connection<Box<dyn Io>, Full<Body>>,
}

impl Target {
    pub(super) fn new(config: &DeliveryConfig) -> Result<Self, DeliveryError> {
        let url: Uri = config.dsn.envelope_url().parse().map_err(|_| DeliveryError::InvalidUrl)?;
        let host = url.authority().ok_or(DeliveryError::InvalidUrl)?.as_str();
        let path = url.path().parse().map_err(|_| DeliveryError::InvalidUrl)?;
        let version = concat!("watchpost/", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
        let client = concat!("watchpost/", env!("CARGO_PKG_VERSION"));
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| DeliveryError::InvalidHeader);
        let mut auth = value(&config.dsn.auth_header(client))?;
        auth.set_sensitive(true);
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::HOST, value(host)?);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(version));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope"));
        headers.insert(SENTRY_AUTH, auth);
        Ok(Self { url, path, headers })
    }
}

impl Client {
    /// Looks at the environment's proxies, but does not connect yet.
    pub(super) fn new(mut target: Target, config: &DeliveryConfig) -> Self {
        let loopback = config.dsn.is_loopback();
        let connector = Connector::new(target.url.clone(), loopback);
        if let Some(auth) = connector.forwards() {
            target.path = target.url.clone();
            if let Some(auth) = auth {
                target.headers.insert(header::PROXY_AUTHORIZATION, auth.clone());
            }
        }
        let keys = [Some(config.dsn.public_key()), config.dsn.secret_key()];
        Self {
            target,
            connector,
            idle: Mutex::default(),
            encoder: Mutex::new(Encoder::new(config.compression, loopback)),
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            secrets: keys.into_iter().flatten().map(str::to_owned).collect(),
        }
    }

    /// Whether requests go through a proxy.
    pub(super) fn is_proxied(&self) -> bool {
        self.connector.is_proxied()
    }

    /// Posts a body and says how that ended. Never takes longer than the request timeout.
    pub(super) async fn post(&self, body: Body) -> Answer {
        match timeout(self.request_timeout, self.negotiate(body)).await {
            Ok(Ok(response)) => Answer::Response(response),
            Ok(Err(error)) => Answer::Failed(describe(&*error)),
            Err(_) => Answer::Failed(format!("no answer within {:?}", self.request_timeout)),
        }
    }

    /// Closes connections that were not used for long, and says when to call again.
    pub(super) fn prune(&self, now: Instant) -> Option<Instant> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| now < idle.since + MAX_IDLE);
        idle.iter().map(|idle| idle.since + MAX_IDLE).min()
    }

    /// Posts a body with the best encoding that the server takes.
    async fn negotiate(&self, body: Body) -> Result<Response, BoxError> {
        loop {
            let encoded = self.encoder.lock().unwrap_or_else(PoisonError::into_inner).encode(&body);
            let Some((encoded, encoding)) = encoded else {
                return self.send(self.request(body, Encoding::Identity)).await;
            };
            let response = self.send(self.request(encoded.into(), encoding)).await?;
            if !response.refuses_encoding() {
                return Ok(response);
            }
            tracing::info!(target: "watchpost", encoding = encoding.name(), "Sentry does not take this encoding");
            self.encoder.lock().unwrap_or_else(PoisonError::into_inner).step_down(encoding);
        }
    }

    fn request(&self, body: Body, encoding: Encoding) -> Request<Full<Body>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.path.clone();
        *request.headers_mut() = self.target.headers.clone();
        if let Some(name) = encoding.name() {
            request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        request
    }

    /// Sends on a kept connection, or on a new one if there is none or they turn out to be closed.
    async fn send(&self, mut request: Request<Full<Body>>) -> Result<Response, BoxError> {
        while let Some(channel) = self.take_idle() {
            match self.exchange(channel, request).await {
                Ok(response) => return Ok(response),
                Err(Failure::Unsent(unsent)) => request = *unsent,
                Err(Failure::Broken(error)) => return Err(error),
            }
        }
        let connected = timeout(self.connect_timeout, self.connector.connect()).await;
        let io = connected.map_err(|_| format!("not connected within {:?}", self.connect_timeout))??;
        let (sender, connection) = http1::handshake(io).await?;
        self.exchange(Channel { sender, connection }, request).await.map_err(|failure| match failure {
            Failure::Unsent(_) => CLOSED.into(),
            Failure::Broken(error) => error,
        })
    }

    async fn exchange(&self, mut channel: Channel, request: Request<Full<Body>>) -> Result<Response, Failure> {
        let Channel { sender, connection } = &mut channel;
        // Here a connection that the server has closed meanwhile shows itself, before anything is written to it.
        let Some(Ok(())) = drive(connection, sender.ready()).await else {
            return Err(Failure::Unsent(Box::new(request)));
        };
        let response = match drive(connection, sender.try_send_request(request)).await {
            Some(Ok(response)) => response,
            Some(Err(mut failure)) => {
                return Err(match failure.take_message() {
                    Some(request) => Failure::Unsent(Box::new(request)),
                    None => Failure::Broken(failure.into_error().into()),
                });
            }
            None => return Err(Failure::Broken(CLOSED.into())),
        };
        let (parts, body) = response.into_parts();
        let success = parts.status.is_success();
        // An answer whose body breaks off is an answer still: its status says what became of the envelope.
        let body = drive(connection, read(body, if success { 0 } else { MAX_EXPLANATION_BYTES })).await;
        let (beginning, complete) = body.unwrap_or_default();
        // One more turn, in which the connection finds that the exchange is over. One that still writes a body which
        // nobody reads any more is given up.
        drive(connection, std::future::ready(())).await;
        if complete && sender.is_ready() {
            self.keep(channel);
        }
        let headers = &parts.headers;
        let explanation = if success {
            String::new()
        } else {
            explain(join(headers, &SENTRY_ERROR).as_deref(), &beginning, &self.secrets)
        };
        Ok(Response {
            status: parts.status.as_u16(),
            rate_limits: join(headers, &RATE_LIMITS),
            retry_after: join(headers, &header::RETRY_AFTER),
            date: headers.get(header::DATE).cloned(),
            explanation,
        })
    }

    /// The connection used last, if it was used lately.
    fn take_idle(&self) -> Option<Channel> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = idle.pop()?;
        if newest.since.elapsed() < MAX_IDLE {
            return Some(newest.channel);
        }
        idle.clear();
        None
    }

    fn keep(&self, channel: Channel) {
        let idle = Idle { channel, since: Instant::now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }
}

/// How an exchange came to nothing.
enum Failure {
    /// Nothing was written: it can go by another connection.
    Unsent(Box<Request<Full<Body>>>),
    /// It may have arrived or not.
    Broken(BoxError),
}

const CLOSED: &str = "the connection was closed";

/// Waits for something that needs the connection to move on; `None` if the connection ends before.
async fn drive<F: Future>(connection: &mut http1::Connection<Box<dyn Io>, Full<Body>>, what: F) -> Option<F::Output> {
    let mut what = pin!(what);
    let mut ended = false;
    poll_fn(|context| {
        ended = ended || Pin::new(&mut *connection).poll(context).is_ready();
        match what.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if ended => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Reads an answer's body to its end, of which the beginning is kept; false if there is no end within bounds.
async fn read(mut body: Incoming, keep: usize) -> (Vec<u8>, bool) {
    let (mut beginning, mut total) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (beginning, false) };
        let Some(data) = frame.data_ref() else { continue };
        beginning.extend_from_slice(&data[..data.len().min(keep - beginning.len())]);
        total += data.len();
        if total > MAX_ANSWER_BYTES {
            return (beginning, false);
        }
    }
    (beginning, true)
}

/// A header's values, joined by commas.
fn join(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut joined: Option<String> = None;
    for value in headers.get_all(name) {
        let value = String::from_utf8_lossy(value.as_bytes());
        match &mut joined {
            Some(joined) => {
                joined.push(',');
                joined.push_str(&value);
            }
            None => joined = Some(value.into_owned()),
        }
    }
    joined
}

/// An error with its causes: the outermost alone often says only "connection error".
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
