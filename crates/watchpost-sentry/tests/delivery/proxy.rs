//! Proxies from the environment. Each case runs in a process of its own: an environment belongs to a whole process.

use std::{
    io::{BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    items::{LONG, error, start},
    sink::{Received, Sink},
};

/// The variables that could point elsewhere on the machine that runs the tests.
const VARIABLES: [&str; 8] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];

/// Another process that delivers one error event to `dsn`, as [`deliver_one`] does.
pub(crate) fn deliver_in_child(dsn: &str, environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "proxy::deliver_one", "--ignored", "--nocapture"]);
    VARIABLES.iter().for_each(|variable| {
        command.env_remove(variable);
    });
    let environment = environment.iter().copied().chain([("WATCHPOST_TEST_DSN", dsn)]);
    command.envs(environment).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn expect_success(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "what the other tests run in a process of its own"]
fn deliver_one() {
    let delivery = start(&std::env::var("WATCHPOST_TEST_DSN").unwrap());
    delivery.error(&error(0), None);
    let millis = std::env::var("WATCHPOST_TEST_MILLIS").map(|millis| Duration::from_millis(millis.parse().unwrap()));
    let outcome = delivery.shutdown(millis.unwrap_or(LONG));
    assert!(outcome.complete && outcome.sent() == 1, "{outcome}");
}

#[test]
fn http_goes_through_the_proxy_with_the_whole_url_and_the_proxys_credentials() {
    let proxy = Sink::ok();
    let url = format!("http://user:pa%20ss@{}", proxy.address());
    expect_success(deliver_in_child("http://key@sentry.invalid:9000/sub/1", &[("HTTP_PROXY", &url)]));
    let request = &proxy.received()[0];
    assert_eq!(request.line, "POST http://sentry.invalid:9000/sub/api/1/envelope/ HTTP/1.1");
    assert_eq!(request.header("host"), Some("sentry.invalid:9000"));
    assert_eq!(request.header("proxy-authorization"), Some("Basic dXNlcjpwYSBzcw=="));
}

#[test]
fn https_asks_the_proxy_to_connect() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}", proxy.local_addr().unwrap());
    let mut child = deliver_in_child("https://key@sentry.invalid/1", &[("HTTPS_PROXY", &url)]);
    let (mut stream, _) = proxy.accept().unwrap();
    let request = Received::read(&mut BufReader::new(&mut stream)).unwrap();
    assert_eq!(request.line, "CONNECT sentry.invalid:443 HTTP/1.1");
    assert_eq!(request.header("proxy-authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    assert_eq!(request.header("x-sentry-auth"), None, "the key is for Sentry alone");
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let mut hello = [0; 2];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(hello, [0x16, 0x03], "a TLS handshake");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_socks_proxy_is_given_the_hosts_name() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("socks5h://{}", proxy.local_addr().unwrap());
    let child = deliver_in_child("http://key@sentry.invalid:9000/1", &[("ALL_PROXY", &url)]);
    let (mut stream, _) = proxy.accept().unwrap();
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, [5, 1, 0]);
    stream.write_all(&[5, 0]).unwrap();
    let mut connect = [0; 5 + 14 + 2];
    stream.read_exact(&mut connect).unwrap();
    assert_eq!(connect[..5], [5, 1, 0, 3, 14]);
    assert_eq!(&connect[5..19], b"sentry.invalid");
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
    let request = Received::read(&mut BufReader::new(&mut stream)).unwrap();
    assert_eq!(request.line, "POST /api/1/envelope/ HTTP/1.1");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    expect_success(child);
}

#[test]
fn loopback_is_reached_directly_whatever_the_environment_says() {
    let (sink, proxy) = (Sink::ok(), Sink::ok());
    let url = format!("http://{}", proxy.address());
    expect_success(deliver_in_child(&sink.dsn(), &[("HTTP_PROXY", &url), ("ALL_PROXY", &url)]));
    assert_eq!((sink.received().len(), proxy.connections()), (1, 0));
}

#[test]
fn the_hosts_of_no_proxy_are_reached_directly() {
    let proxy = Sink::ok();
    let url = format!("http://{}", proxy.address());
    // A network that exists in documentation only: what goes there directly does not arrive.
    let dsn = "http://key@192.0.2.1:9000/1";
    let (by_proxy, direct) = (("HTTP_PROXY", url.as_str()), ("NO_PROXY", "example.com,192.0.2.0/24"));
    expect_success(deliver_in_child(dsn, &[by_proxy]));
    assert_eq!(proxy.connections(), 1);
    let output = deliver_in_child(dsn, &[by_proxy, direct, ("WATCHPOST_TEST_MILLIS", "300")]);
    assert!(!output.wait_with_output().unwrap().status.success());
    assert_eq!(proxy.connections(), 1);
}
