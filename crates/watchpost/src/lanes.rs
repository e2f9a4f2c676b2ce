//! Bytes that are compared many at once: loops without branches, of which the compiler makes vector comparisons.

/// How many bytes are looked at before those of interest are taken one by one: as many as there are bits to say which.
pub(crate) const BLOCK: usize = 64;

/// A bit for each byte of a block for which it holds, the first one lowest.
#[inline(always)]
pub(crate) fn bits_where(block: &[u8; BLOCK], holds: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0; BLOCK];
    for (flag, byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(holds(*byte));
    }
    bits_of(&flags)
}

/// A bit for each flag, which is 0 or 1, the first one lowest.
#[inline(always)]
pub(crate) fn bits_of(flags: &[u8; BLOCK]) -> u64 {
    let mut bits = 0;
    for (at, flags) in flags.as_chunks::<8>().0.iter().enumerate() {
        // The highest byte of the product has the lowest bit of each of the eight.
        bits |= u64::from_le_bytes(*flags).wrapping_mul(0x0102_0408_1020_4080) >> 56 << (8 * at);
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_bit_is_of_its_byte(bytes in prop::collection::vec(0_u8..3, BLOCK)) {
            let bits = bits_where(bytes.first_chunk().unwrap(), |byte| byte == 2);
            for (at, byte) in bytes.into_iter().enumerate() {
                prop_assert_eq!(bits >> at & 1 != 0, byte == 2, "{}", at);
            }
        }
    }
}
