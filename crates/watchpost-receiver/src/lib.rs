//! watchpost-receiver
