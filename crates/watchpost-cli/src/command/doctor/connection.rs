//! The way to Sentry, step by step: name, connection, TLS and answer, clock, rate limits.

use std::{
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use watchpost::exporter::ExporterError;
use watchpost_sentry::{
    delivery::{DeliveryConfig, Probe, ProbeAnswer, probe},
    wire::{Dsn, Scheme},
};

use super::check::{Check, Status};
use crate::failure::Failure;

/// Clocks further apart than this are told of. Sentry moves the times of what it gets by the difference; what seems to come from
/// far in the future it drops.
const MAX_SKEW: Duration = Duration::from_secs(60);
/// Addresses that are tried and named.
const MAX_ADDRESSES: usize = 4;

/// The checks, and whether Sentry takes envelopes.
pub(super) fn examine(dsn: &Dsn, timeout: Duration) -> Result<(Vec<Check>, bool), Failure> {
    let config = DeliveryConfig::new(dsn.clone()).with_connect_timeout(timeout).with_request_timeout(timeout);
    let probed = probe(&config).map_err(|error| Failure::Exporter(ExporterError::from(error)))?;
    let mut checks = Vec::new();
    if probed.proxied {
        checks.push(Check::ok("proxy", "the environment's proxy is used; it finds and reaches the host"));
    } else {
        way(dsn, timeout, &mut checks);
    }
    if checks.iter().any(|check| check.status == Status::Failed) {
        return Ok((checks, false));
    }
    let answer = match &probed.answer {
        Ok(answer) => answer,
        Err(why) => {
            checks.push(Check::failed("answer", why.clone(), unanswered_advice(dsn, why)));
            return Ok((checks, false));
        }
    };
    let answered = answered(dsn, &probed, answer);
    let takes = answered.status != Status::Failed;
    checks.push(answered);
    if takes {
        checks.push(clock(answer.date, SystemTime::now()));
        checks.push(rate_limits(answer));
    }
    Ok((checks, takes))
}

/// Name and connection, where no proxy sees to them.
fn way(dsn: &Dsn, timeout: Duration, checks: &mut Vec<Check>) {
    let (host, port) = (dsn.host().trim_matches(['[', ']']).to_owned(), dsn.port());
    let (sender, found) = mpsc::channel();
    // Looking up a name can hang for longer than anybody waits; then the thread ends with the process.
    let asked = host.clone();
    let spawned = thread::Builder::new()
        .name("watchpost-name".to_owned())
        .spawn(move || drop(sender.send((asked.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>))));
    let found = match spawned {
        Ok(_) => found.recv_timeout(timeout).unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())),
        Err(error) => Err(error),
    };
    let addresses = match found {
        Ok(addresses) if !addresses.is_empty() => addresses,
        Ok(_) => {
            checks.push(Check::failed("name", format!("{host} has no address"), NAME_ADVICE));
            return;
        }
        Err(error) => {
            checks.push(Check::failed("name", format!("{host} is not found: {error}"), NAME_ADVICE));
            return;
        }
    };
    checks.push(Check::ok("name", format!("{host} is {}", listed(&addresses))));
    let start = Instant::now();
    let mut refusals = Vec::new();
    for address in addresses.iter().take(MAX_ADDRESSES) {
        match TcpStream::connect_timeout(address, timeout) {
            Ok(_) => {
                checks.push(Check::ok("connection", format!("{address} in {}", millis(start.elapsed()))));
                return;
            }
            Err(error) => refusals.push(format!("{address}: {error}")),
        }
    }
    let advice = if dsn.is_loopback() {
        "start the receiver (`watchpost view`), or give another DSN".to_owned()
    } else {
        format!("let the firewall pass TCP to port {port}, or set HTTPS_PROXY")
    };
    checks.push(Check::failed("connection", refusals.join("; "), advice));
}

const NAME_ADVICE: &str =
    "compare the DSN's host with Sentry's (Settings > Projects > Client Keys), and look at this machine's DNS";

fn listed(addresses: &[SocketAddr]) -> String {
    let mut ips: Vec<String> = Vec::new();
    for address in addresses {
        let ip = address.ip().to_string();
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    let more = ips.len().saturating_sub(MAX_ADDRESSES);
    ips.truncate(MAX_ADDRESSES);
    let listed = ips.join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

fn unanswered_advice(dsn: &Dsn, why: &str) -> &'static str {
    let why = why.to_ascii_lowercase();
    if why.contains("certificate") {
        "the certificate is not trusted here: if a proxy of your network makes it, name its CA file in SSL_CERT_FILE"
    } else if why.contains("within") {
        "the host does not answer in time: look at firewall and proxy (HTTPS_PROXY), or give --timeout more seconds"
    } else if dsn.scheme() == Scheme::Https {
        "does TLS end at this port? compare the DSN with Sentry's (Settings > Projects > Client Keys)"
    } else {
        "does a Sentry listen at this port? compare the DSN with Sentry's (Settings > Projects > Client Keys)"
    }
}

fn answered(dsn: &Dsn, probed: &Probe, answer: &ProbeAnswer) -> Check {
    let tls = if dsn.scheme() == Scheme::Https { ", over TLS" } else { "" };
    let detail = format!("{answer} in {}{tls}", millis(probed.took));
    let failed = |advice: &str| Check::failed("answer", detail.clone(), advice);
    match answer.status {
        200..=299 | 429 => Check::ok("answer", detail),
        401 | 403 => {
            failed("Sentry refuses the key: is it disabled, or of another project? (Settings > Projects > Client Keys)")
        }
        404 => failed("no Sentry takes envelopes there: look at the DSN's path and project id"),
        300..=399 => failed("it answers with another address: use the DSN of that one"),
        413 | 400 => Check::warning(
            "answer",
            detail,
            "it does not take an empty client report, which Sentry does; the test below shows whether it takes the rest",
        ),
        500.. => failed("Sentry has a problem, or a proxy before it: try again later"),
        _ => failed("that is no answer of Sentry's: look at the DSN's host, port and path"),
    }
}

fn clock(date: Option<SystemTime>, now: SystemTime) -> Check {
    let Some(date) = date else { return Check::skipped("clock", "the answer does not say what time it is") };
    let (apart, is_ahead) = match now.duration_since(date) {
        Ok(ahead) => (ahead, true),
        Err(behind) => (behind.duration(), false),
    };
    if apart <= MAX_SKEW {
        return Check::ok("clock", format!("{} s apart, of which the answer's own second is one", apart.as_secs()));
    }
    let side = if is_ahead { "ahead of" } else { "behind" };
    Check::warning(
        "clock",
        format!("this machine is {} s {side} Sentry", apart.as_secs()),
        "set the clock (NTP): Sentry corrects what it can by the difference, and drops what seems to come from the future",
    )
}

fn rate_limits(answer: &ProbeAnswer) -> Check {
    if answer.limited.is_empty() {
        return Check::ok("rate limits", "none in force");
    }
    let limits: Vec<_> =
        answer.limited.iter().map(|(category, left)| format!("{category} for {} s", left.as_secs())).collect();
    Check::warning(
        "rate limits",
        format!("in force: {}", limits.join(", ")),
        "what is limited is held or dropped until then; see the project's quota and spike protection",
    )
}

fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_by_more_than_a_minute_is_told_of_and_on_which_side() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(clock(Some(now - Duration::from_secs(30)), now).status, Status::Ok);
        let ahead = clock(Some(now - Duration::from_secs(90)), now);
        assert_eq!((ahead.status, ahead.detail.as_str()), (Status::Warning, "this machine is 90 s ahead of Sentry"));
        let behind = clock(Some(now + Duration::from_secs(90)), now);
        assert_eq!(behind.detail, "this machine is 90 s behind Sentry");
        assert_eq!(clock(None, now).status, Status::Skipped);
    }
}
