//! TLS with certificates from `SSL_CERT_FILE`. The fixtures are valid until 2125; `certificates/make.sh` made them.

use std::{
    io::{BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    proxy::{deliver_in_child, expect_success},
    sink::Received,
};

fn certificates() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/delivery/certificates")
}

fn server_config() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificates().join("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates().join("localhost.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

#[test]
fn an_https_dsn_is_reached_by_tls_with_the_certificates_of_the_environment() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("https://key@localhost:{}/1", listener.local_addr().unwrap().port());
    let authority = certificates().join("authority.pem");
    let child = deliver_in_child(&dsn, &[("SSL_CERT_FILE", authority.to_str().unwrap())]);
    let (tcp, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(server_config()).unwrap(), tcp);
    let request = Received::read(&mut BufReader::new(&mut stream)).unwrap();
    assert_eq!(request.line, "POST /api/1/envelope/ HTTP/1.1");
    assert_eq!(request.items()[0].ty, "event");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    stream.flush().unwrap();
    expect_success(child);
}

#[test]
fn a_server_whose_certificate_nobody_vouches_for_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("https://key@localhost:{}/1", listener.local_addr().unwrap().port());
    // It vouches for itself only.
    let other = certificates().join("stranger.pem");
    let mut child = deliver_in_child(&dsn, &[("SSL_CERT_FILE", other.to_str().unwrap())]);
    let (tcp, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(server_config()).unwrap(), tcp);
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(error.to_string().contains("UnknownCA"), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
}
