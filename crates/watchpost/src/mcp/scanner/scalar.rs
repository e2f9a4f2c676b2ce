//! Numbers and literals. Source: RFC 8259, §3 and §6.

/// A number, `true`, `false` or `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number,
}

/// Whether `byte` can be part of a scalar.
pub(super) const fn is_scalar_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

impl Scalar {
    /// Reads a whole scalar; `None` if it is none of JSON.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            b"null" => Some(Self::Null),
            b"true" => Some(Self::Bool(true)),
            b"false" => Some(Self::Bool(false)),
            _ => is_number(bytes).then_some(Self::Number),
        }
    }
}

fn is_number(bytes: &[u8]) -> bool {
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, rest) = split_digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(rest) => {
            let (fraction, rest) = split_digits(rest);
            if fraction.is_empty() {
                return false;
            }
            rest
        }
    };
    match rest {
        [] => true,
        [b'e' | b'E', exponent @ ..] => {
            let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
            !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let digits = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scalars_are_those_serde_json_reads(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][-+]?[0-9]{0,2})?|null|true|fals[ey]") {
            let expected = match serde_json::from_str(&text) {
                Ok(serde_json::Value::Null) => Some(Scalar::Null),
                Ok(serde_json::Value::Bool(value)) => Some(Scalar::Bool(value)),
                Ok(_) => Some(Scalar::Number),
                Err(_) => None,
            };
            prop_assert_eq!(Scalar::parse(text.as_bytes()), expected);
        }
    }
}
