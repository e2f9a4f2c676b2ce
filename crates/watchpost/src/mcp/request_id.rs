//! JSON-RPC ids as correlation keys. Source: JSON-RPC 2.0, §4 ("id").

use std::fmt;

#[cfg(feature = "rmcp")]
use super::{Field, scanner::bounded_text};

/// A JSON-RPC id, in the form in which two spellings of one id are equal and `1` differs from `"1"`.
///
/// Whole numbers are compared by value, because peers may answer `1.0` with `1`; any other number by its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestId {
    /// `null`: what a server answers to a request whose id it could not read.
    Null,
    /// A whole number within 64 bits.
    Integer(i64),
    /// Any other number, as it was written.
    Number(Box<str>),
    /// A string, cut to 512 bytes.
    Text(Box<str>),
}

/// 2⁵³: up to here every whole `f64` is exactly one integer.
const EXACT_FLOATS: f64 = 9_007_199_254_740_992.0;

impl RequestId {
    /// The id of a JSON number's text.
    pub(super) fn from_number(text: &str) -> Self {
        if let Ok(integer) = text.parse() {
            return Self::Integer(integer);
        }
        match text.parse::<f64>() {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
            Ok(float) if float.fract() == 0.0 && float.abs() <= EXACT_FLOATS => Self::Integer(float as i64),
            _ => Self::Number(text.into()),
        }
    }

    /// rmcp's id as it stands on the wire.
    #[cfg(feature = "rmcp")]
    pub(super) fn of_rmcp(id: &rmcp::model::RequestId) -> Self {
        match id {
            rmcp::model::NumberOrString::Number(number) => Self::Integer(*number),
            rmcp::model::NumberOrString::String(text) => {
                Self::Text(bounded_text(text.as_bytes(), Field::Id.limit()).into())
            }
        }
    }

    /// As rmcp writes it, if it can.
    #[cfg(feature = "rmcp")]
    pub(super) fn to_rmcp(&self) -> Option<rmcp::model::RequestId> {
        match self {
            Self::Integer(number) => Some(rmcp::model::NumberOrString::Number(*number)),
            Self::Text(text) => Some(rmcp::model::NumberOrString::String((**text).into())),
            Self::Null | Self::Number(_) => None,
        }
    }

    /// Bytes it holds outside itself.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) => 0,
            Self::Number(text) | Self::Text(text) => text.len(),
        }
    }
}

impl fmt::Display for RequestId {
    /// The id as text, a string without its quotes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Integer(integer) => integer.fmt(formatter),
            Self::Number(text) | Self::Text(text) => formatter.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_whole_number_are_one_id() {
        for text in ["7", "7.0", "70e-1", "0.7e1", "7E0"] {
            assert_eq!(RequestId::from_number(text), RequestId::Integer(7), "{text}");
        }
        assert_eq!(RequestId::from_number("-0"), RequestId::Integer(0));
    }

    #[test]
    fn numbers_beyond_64_bits_and_fractions_keep_their_text() {
        let one = RequestId::from_number("12345678901234567890123");
        assert_ne!(one, RequestId::from_number("12345678901234567890124"));
        assert_eq!(one.to_string(), "12345678901234567890123");
        assert_eq!(RequestId::from_number("1.5").to_string(), "1.5");
    }
}
