//! A JSON writer for the wire: appends to a byte buffer, never fails, always writes valid JSON.
