//! Sentry's Data Source Name: where to send, and with which key.
