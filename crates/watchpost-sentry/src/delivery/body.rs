//! A request's body: an envelope in pieces, which are written one after the other without being joined first.

use std::io::{Cursor, IoSlice};

use hyper::body::{Buf, Bytes};

/// An envelope as it is sent, or the rest of it. Payloads are their parcel's own, which keeps them for another try.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    head: Cursor<Vec<u8>>,
    /// A payload and what stands behind it, twice.
    rest: [Bytes; 4],
}

impl Body {
    pub(super) fn new(head: Vec<u8>, rest: [Bytes; 4]) -> Self {
        Self { head: Cursor::new(head), rest }
    }

    /// All of it in one piece.
    pub(super) fn join(&self) -> Vec<u8> {
        let mut joined = Vec::with_capacity(self.remaining());
        self.pieces().into_iter().for_each(|piece| joined.extend_from_slice(piece));
        joined
    }

    fn pieces(&self) -> [&[u8]; 5] {
        let [a, b, c, d] = &self.rest;
        [self.head.chunk(), a, b, c, d]
    }
}

impl From<Vec<u8>> for Body {
    fn from(whole: Vec<u8>) -> Self {
        Self::new(whole, Default::default())
    }
}

impl Buf for Body {
    fn remaining(&self) -> usize {
        self.pieces().iter().map(|piece| piece.len()).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.pieces().into_iter().find(|piece| !piece.is_empty()).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.pieces().into_iter().filter(|piece| !piece.is_empty());
        slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, count: usize) {
        let mut left = count;
        let mut advance = |piece: &mut dyn Buf| {
            let part = left.min(piece.remaining());
            piece.advance(part);
            left -= part;
        };
        advance(&mut self.head);
        self.rest.iter_mut().for_each(|piece| advance(piece));
        debug_assert_eq!(left, 0, "advanced beyond the end");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectored(body: &Body) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 6];
        let filled = body.chunks_vectored(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    proptest! {
        #[test]
        fn a_body_in_pieces_reads_as_the_same_bytes_in_one(
            pieces in proptest::array::uniform5(proptest::collection::vec(any::<u8>(), 0..40)),
            steps in proptest::collection::vec(0_usize..50, 0..12),
        ) {
            let [head, rest @ ..] = pieces.clone();
            let (mut body, joined) = (Body::new(head, rest.map(Bytes::from)), pieces.concat());
            let mut rest = &joined[..];
            for step in steps {
                prop_assert_eq!(body.remaining(), rest.len());
                prop_assert_eq!(body.chunk().is_empty(), rest.is_empty());
                prop_assert!(rest.starts_with(body.chunk()));
                prop_assert_eq!(&*vectored(&body), rest);
                prop_assert_eq!(&*body.join(), rest);
                let step = step.min(rest.len());
                body.advance(step);
                rest = &rest[step..];
            }
        }
    }
}
