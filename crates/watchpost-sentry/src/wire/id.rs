//! Trace, span and event ids: fixed bytes in memory, lowercase hex on the wire.
//! Source: Sentry's event and span protocols, W3C Trace Context.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A trace id: 16 bytes, 32 lowercase hex digits on the wire. Relay rejects any other length.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// A span id: 8 bytes, 16 lowercase hex digits on the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// An event id: 16 bytes, 32 lowercase hex digits without dashes on the wire. Read with or without dashes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// Too short or too long.
    #[error("an id of {expected} hex digits was expected, not of {found} bytes")]
    Length {
        /// The number of hex digits this kind of id has.
        expected: usize,
        /// The length found, in bytes.
        found: usize,
    },
    /// Something other than `0-9`, `a-f` and `A-F`.
    #[error("byte {position} of the id is not a hex digit")]
    Digit {
        /// Where, from 0.
        position: usize,
    },
}

macro_rules! id {
    ($type:ident, $bytes:literal, $read:ident) => {
        impl $type {
            /// The number of hex digits on the wire.
            pub const HEX_DIGITS: usize = 2 * $bytes;

            /// Whether all bytes are zero: W3C and OpenTelemetry write "none" so.
            #[must_use]
            pub const fn is_zero(&self) -> bool {
                let mut i = 0;
                while i < $bytes {
                    if self.0[i] != 0 {
                        return false;
                    }
                    i += 1;
                }
                true
            }

            /// Appends the id as lowercase hex, without quotes.
            pub fn write_hex(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.hex());
            }

            /// Appends the id as a JSON string.
            pub fn write_json(&self, out: &mut Vec<u8>) {
                out.push(b'"');
                out.extend_from_slice(&self.hex());
                out.push(b'"');
            }

            fn hex(&self) -> [u8; 2 * $bytes] {
                let mut hex = [0; 2 * $bytes];
                for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
                    *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
                }
                hex
            }
        }

        impl FromStr for $type {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                $read(text.as_bytes()).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct IdVisitor;

                impl de::Visitor<'_> for IdVisitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} hex digits", $type::HEX_DIGITS)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(IdVisitor)
            }
        }
    };
}

id!(TraceId, 16, read_hex);
id!(SpanId, 8, read_hex);
id!(EventId, 16, read_uuid);

/// Arithmetic and not a table, so that the compiler makes all digits of an id at once.
const fn hex_digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

/// Where a UUID's dashes stand.
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];

fn read_hex<const N: usize>(text: &[u8]) -> Result<[u8; N], ParseIdError> {
    if text.len() != 2 * N {
        return Err(ParseIdError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    for (position, &digit) in text.iter().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return Err(ParseIdError::Digit { position }),
        };
        bytes[position / 2] = bytes[position / 2] << 4 | value;
    }
    Ok(bytes)
}

fn read_uuid(text: &[u8]) -> Result<[u8; 16], ParseIdError> {
    if text.len() != 36 {
        return read_hex(text);
    }
    let mut digits = [0; 32];
    let mut filled = 0;
    for (position, &byte) in text.iter().enumerate() {
        if UUID_DASHES.contains(&position) {
            if byte != b'-' {
                return Err(ParseIdError::Digit { position });
            }
        } else {
            if !byte.is_ascii_hexdigit() {
                return Err(ParseIdError::Digit { position });
            }
            digits[filled] = byte;
            filled += 1;
        }
    }
    read_hex(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_either_case_and_write_lowercase() {
        let id: TraceId = "4BF92f3577B34da6a3ce929d0E0e4736".parse().unwrap();
        assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(format!("{id:?}"), "TraceId(4bf92f3577b34da6a3ce929d0e0e4736)");
        let mut out = Vec::new();
        id.write_json(&mut out);
        assert_eq!(out, b"\"4bf92f3577b34da6a3ce929d0e0e4736\"");
    }

    #[test]
    fn an_event_id_is_read_with_dashes_only_where_a_uuid_has_them() {
        let plain: EventId = "12c2d058d58442709aa2eca08bf20986".parse().unwrap();
        assert_eq!("12C2D058-d584-4270-9aa2-eca08bf20986".parse(), Ok(plain));
        let shifted = "12c2d058d-584-4270-9aa2-eca08bf20986".parse::<EventId>();
        assert_eq!(shifted, Err(ParseIdError::Digit { position: 8 }));
        let dash_for_digit = "-2c2d058-d584-4270-9aa2-eca08bf20986".parse::<EventId>();
        assert_eq!(dash_for_digit, Err(ParseIdError::Digit { position: 0 }));
        assert!("12c2d058-d584-4270-9aa2-eca08bf20986".parse::<TraceId>().is_err());
    }

    #[test]
    fn wrong_lengths_and_digits_are_told_apart() {
        assert_eq!("abc".parse::<SpanId>(), Err(ParseIdError::Length { expected: 16, found: 3 }));
        assert_eq!("00f067aa0ba902bg".parse::<SpanId>(), Err(ParseIdError::Digit { position: 15 }));
        assert_eq!("00f067aa0ba902ü".parse::<SpanId>(), Err(ParseIdError::Digit { position: 14 }));
        let sha256 = "a".repeat(64);
        assert_eq!(sha256.parse::<TraceId>(), Err(ParseIdError::Length { expected: 32, found: 64 }));
    }

    #[test]
    fn only_all_zero_bytes_are_zero() {
        assert!(SpanId::default().is_zero());
        assert!(!SpanId([0, 0, 0, 0, 0, 0, 0, 1]).is_zero());
    }
}
