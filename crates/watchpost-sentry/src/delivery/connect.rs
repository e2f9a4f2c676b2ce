//! The way to Sentry: directly or through the environment's proxy (HTTP, HTTPS or SOCKS 5), with TLS where the DSN asks
//! for it. Certificates and proxies are looked at when the first connection is made, never before.

use std::{
    error::Error,
    fmt, io,
    sync::{Arc, OnceLock},
};

use hyper::{
    Uri,
    header::HeaderValue,
    rt::{Read, Write},
};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::{
    legacy::connect::{
        Connection, HttpConnector,
        proxy::{SocksV5, Tunnel},
    },
    proxy::matcher::{Intercept, Matcher},
};
use rustls::{ClientConfig, crypto::ring};
use tower_service::Service;

/// A connection's two directions.
pub(super) trait Io: Read + Write + Unpin + Send {}

impl<T: Read + Write + Unpin + Send> Io for T {}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Makes connections to one place.
pub(super) struct Connector {
    target: Uri,
    route: Route,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// How the place is reached.
enum Route {
    Direct,
    /// An HTTP proxy for an `http` target: it is sent the requests themselves.
    Forward {
        proxy: Uri,
        auth: Option<HeaderValue>,
    },
    /// An HTTP proxy for an `https` target: it is asked to `CONNECT`.
    Tunnel {
        proxy: Uri,
        auth: Option<HeaderValue>,
    },
    /// A SOCKS 5 proxy, which also resolves the target's name.
    Socks {
        proxy: Uri,
        auth: Option<(String, String)>,
    },
    /// Going around a proxy that was asked for would be wrong.
    Unsupported,
}

impl Connector {
    /// To the host of `target`, by the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name. A
    /// loopback target is never sought through a proxy.
    pub(super) fn new(target: Uri, loopback: bool) -> Self {
        let intercept = if loopback { None } else { Matcher::from_env().intercept(&target) };
        let route = intercept.map_or(Route::Direct, |intercept| Route::through(&intercept, &target));
        Self { target, route, tls: OnceLock::new() }
    }

    /// The proxy's authorisation if requests go to a proxy, which needs the target's whole URL in them.
    pub(super) fn forwards(&self) -> Option<Option<&HeaderValue>> {
        match &self.route {
            Route::Forward { auth, .. } => Some(auth.as_ref()),
            Route::Direct | Route::Tunnel { .. } | Route::Socks { .. } | Route::Unsupported => None,
        }
    }

    /// Whether a proxy stands between.
    pub(super) const fn is_proxied(&self) -> bool {
        !matches!(self.route, Route::Direct)
    }

    /// A new connection, ready for requests.
    pub(super) async fn connect(&self) -> Result<Box<dyn Io>, BoxError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        match &self.route {
            Route::Direct => self.reach(tcp, &self.target).await,
            Route::Forward { proxy, .. } => self.reach(tcp, proxy).await,
            Route::Tunnel { proxy, auth } if is_https(proxy) => {
                let tls = HttpsConnector::from((tcp, self.tls()?));
                self.reach(tunnel(tls, proxy, auth), &self.target).await
            }
            Route::Tunnel { proxy, auth } => self.reach(tunnel(tcp, proxy, auth), &self.target).await,
            Route::Socks { proxy, auth } => {
                let socks = SocksV5::new(proxy.clone(), tcp);
                let socks = match auth {
                    Some((user, password)) => socks.with_auth(user.clone(), password.clone()),
                    None => socks,
                };
                self.reach(socks, &self.target).await
            }
            Route::Unsupported => Err("the proxy's scheme is not supported: use http, https or socks5".into()),
        }
    }

    /// Connects to a URL's host, with TLS if the URL is `https`.
    async fn reach<C>(&self, mut by: C, url: &Uri) -> Result<Box<dyn Io>, BoxError>
    where
        C: Service<Uri>,
        C::Response: Connection + Read + Write + Send + Unpin + 'static,
        C::Future: Send + 'static,
        C::Error: Into<BoxError>,
    {
        if is_https(url) {
            let mut tls = HttpsConnector::from((by, self.tls()?));
            Ok(Box::new(tls.call(url.clone()).await?))
        } else {
            Ok(Box::new(by.call(url.clone()).await.map_err(Into::into)?))
        }
    }

    /// TLS with the system's certificates, or those in `SSL_CERT_FILE` or `SSL_CERT_DIR`. Loading them takes
    /// milliseconds and a megabyte, so nobody pays who does not need them.
    fn tls(&self) -> Result<Arc<ClientConfig>, BoxError> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_native_roots()?
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

impl Route {
    fn through(intercept: &Intercept, target: &Uri) -> Self {
        let proxy = intercept.uri().clone();
        let auth = intercept.basic_auth().cloned();
        match proxy.scheme_str() {
            Some("http" | "https") if is_https(target) => Self::Tunnel { proxy, auth },
            Some("http" | "https") => Self::Forward { proxy, auth },
            Some("socks5" | "socks5h") => {
                let auth = intercept.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned()));
                Self::Socks { proxy, auth }
            }
            _ => Self::Unsupported,
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("target", &self.target).finish_non_exhaustive()
    }
}

fn tunnel<C>(by: C, proxy: &Uri, auth: &Option<HeaderValue>) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.clone(), by);
    match auth {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    }
}

fn is_https(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}
