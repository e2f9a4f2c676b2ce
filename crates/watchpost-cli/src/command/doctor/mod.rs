//! `watchpost doctor`: is everything there for telemetry to arrive, and does it light Sentry's views? Looks at the configuration
//! and the way to Sentry, sends one of everything, and reads it back where it can.

mod check;
mod connection;
mod evidence;
mod local_api;
mod report;
mod samples;
mod view;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use watchpost_sentry::wire::{Category, Dsn};

use self::{
    check::Check,
    evidence::Evidence,
    report::Report,
    samples::Sent,
    view::{Context, View, views},
};
use crate::{args::DoctorArgs, config::Settings, failure::Failure, local_receiver};

/// Examines. Exit code 0: all is well; 1: something fails, or a view stays dark.
pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let mut settings = Settings::resolve(&args.export)?;
    let is_configured = settings.sentry.dsn.is_some();
    let address = local_receiver::DEFAULT_ADDRESS;
    if !is_configured {
        if !local_receiver::listens(address) {
            return Err(Failure::NoDestination { address });
        }
        settings.use_local_receiver(address);
    }
    let report = examine(args, settings, is_configured)?;
    let mut out = anstream::stdout().lock();
    let printed = if args.json { report.write_json(&mut out) } else { report.write(&mut out) };
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Failure::Output(error)),
        _ => {}
    }
    Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(args: &DoctorArgs, settings: Settings, is_configured: bool) -> Result<Report, Failure> {
    let timeout = Duration::from_secs_f64(args.timeout);
    let dsn: Dsn =
        settings.sentry.dsn.as_deref().unwrap_or_default().parse().map_err(watchpost::exporter::ExporterError::Dsn)?;
    let mut report = Report::new(&dsn, is_configured);
    report.checks.push(configuration(&settings));
    report.checks.extend(off_switches(&settings));
    let (checks, answers) = connection::examine(&dsn, timeout)?;
    report.checks.extend(checks);
    if !answers {
        report.checks.push(Check::skipped("delivery", "nothing was sent: the checks above come first"));
        return Ok(report);
    }
    let capture = settings.spans_capture();
    let Some(sent) = samples::send(settings, !args.no_issue, timeout)? else {
        report.checks.push(Check::failed(
            "delivery",
            "exporting is turned off by DO_NOT_TRACK or OTEL_SDK_DISABLED",
            "unset it in the environment of the server or agent, if its telemetry is wanted",
        ));
        return Ok(report);
    };
    report.checks.push(delivery(&sent));
    let context = Context { capture, has_issue: !args.no_issue };
    match read_back(&dsn, &sent, timeout) {
        Ok(Some(evidence)) => {
            report.checks.push(Check::ok("read back", "everything that was sent was read back from the receiver"));
            report.views = views(&evidence, &context);
            report.was_read_back = true;
        }
        Ok(None) => report.views = View::unseen(&sent, &context),
        Err(why) => {
            report.checks.push(Check::failed(
                "read back",
                format!("the receiver took it, but does not give it back: {why}"),
                "look at the page of `watchpost view`, and at its standard error",
            ));
        }
    }
    Ok(report)
}

/// What the configuration says, and what it leaves out.
fn configuration(settings: &Settings) -> Check {
    let sentry = &settings.sentry;
    let named = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
    let mut detail = format!(
        "environment {}, release {}",
        named(&sentry.environment, "production (by default)"),
        named(&sentry.release, "none"),
    );
    let rate = sentry.traces_sample_rate.unwrap_or(1.0);
    if rate < 1.0 {
        detail.push_str(&format!(", {} % of the traces", rate * 100.0));
    }
    match &sentry.spool {
        Some(spool) => detail.push_str(&format!(", spool {}", spool.folder.display())),
        None => detail.push_str(", no spool"),
    }
    Check::ok("configuration", detail)
}

/// What the configuration turns off that a view needs.
fn off_switches(settings: &Settings) -> Vec<Check> {
    let mut checks = Vec::new();
    if settings.sentry.enable_tracing != Some(true) {
        checks.push(Check::warning(
            "tracing",
            "off: MCP events are sent as logs and issues only, and Sentry's MCP views stay empty",
            "give --enable-tracing, or `enable_tracing = true` in watchpost.toml; the test below is sent with it",
        ));
    }
    if settings.sentry.traces_sample_rate == Some(0.0) {
        checks.push(Check::warning(
            "sampling",
            "no trace is sent: the sample rate is 0",
            "give --traces-sample-rate a number above 0 (SENTRY_TRACES_SAMPLE_RATE); the test below is sent whatever it is",
        ));
    }
    checks
}

/// What became of the test's items on the way out.
fn delivery(sent: &Sent) -> Check {
    let taken = sent.describe();
    if sent.is_complete() {
        return Check::ok("delivery", format!("{taken}: all taken"));
    }
    let limited = [Category::Error, Category::Transaction, Category::Span, Category::LogItem]
        .iter()
        .any(|category| sent.limited(*category));
    let advice = if limited {
        "Sentry limits the rate: see the project's quota, or send less (--traces-sample-rate)"
    } else {
        "see the reasons above; run again with -v for the words of the server"
    };
    Check::failed("delivery", format!("{taken}: {}", sent.losses()), advice)
}

/// What the local receiver has of it; `None` where nothing can be read back.
fn read_back(dsn: &Dsn, sent: &Sent, timeout: Duration) -> Result<Option<Evidence>, String> {
    let Some(api) = local_api::LocalApi::find(dsn, timeout) else { return Ok(None) };
    let mut evidence = Evidence::default();
    for path in
        [format!("/api/sessions/{}/export", sent.session_id), format!("/api/traces/{}/export", sent.agent_trace)]
    {
        evidence.read(&api.get(&path)?)?;
    }
    Ok(Some(evidence))
}
