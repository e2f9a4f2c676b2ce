//! The two switches by which a user turns all telemetry off: `DO_NOT_TRACK` (consoledonottrack.com) and OpenTelemetry's
//! `OTEL_SDK_DISABLED`.

/// Whether the environment forbids exporting: `DO_NOT_TRACK=1` (or `true`), `OTEL_SDK_DISABLED=true`.
pub(super) fn exporting_is_off(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, values: &[&str]| {
        variable(name).is_some_and(|value| values.iter().any(|on| value.trim().eq_ignore_ascii_case(on)))
    };
    is("DO_NOT_TRACK", &["1", "true"]) || is("OTEL_SDK_DISABLED", &["true"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_values_turn_exporting_off() {
        for (name, value, off) in [
            ("DO_NOT_TRACK", "1", true),
            ("DO_NOT_TRACK", "true", true),
            ("DO_NOT_TRACK", "0", false),
            ("DO_NOT_TRACK", "", false),
            ("OTEL_SDK_DISABLED", "TRUE", true),
            ("OTEL_SDK_DISABLED", "1", false),
            ("SENTRY_DSN", "1", false),
        ] {
            let variable = |asked: &str| (asked == name).then(|| value.to_owned());
            assert_eq!(exporting_is_off(variable), off, "{name}={value}");
        }
    }
}
