//! Reading envelopes: streaming, bounded, safe with hostile input.
