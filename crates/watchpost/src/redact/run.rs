//! Where runs of bytes end, each looked for once: a hostile text (`token=token=token=…`) must not cost the square of its
//! length.

use std::ops::Range;

/// The kinds of runs that rules ask for. Where such a run ends does not depend on where in it one starts to look; for the last
/// two, what ends earlier lies within what was found before.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Letters and digits.
    Alnum,
    /// Letters, digits, `-` and `_`.
    Dashed,
    /// Letters, digits, `-`, `_` and `.`.
    Dotted,
    /// Capital letters and digits.
    Upper,
    /// An unquoted value.
    Plain,
    /// The rest of a line.
    Line,
    /// A JSON object or array.
    Structure,
    /// A private key.
    PrivateKey,
}

/// The last run found of each kind.
#[derive(Default)]
pub(super) struct Runs([Range<usize>; 8]);

impl Runs {
    /// The end of the run that holds `from`: remembered, or found by `find`.
    pub(super) fn end(&mut self, run: Run, from: usize, find: impl FnOnce() -> usize) -> usize {
        let last = &mut self.0[run as usize];
        if !last.contains(&from) {
            *last = from..find();
        }
        last.end
    }

    /// Whether `at` lies within the last run of this kind.
    pub(super) fn cover(&self, run: Run, at: usize) -> bool {
        self.0[run as usize].contains(&at)
    }
}
