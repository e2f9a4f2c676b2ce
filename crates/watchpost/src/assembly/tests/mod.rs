//! Trace assembly by its rules, with a clock of its own.

mod agents;
mod bounds;
mod failures;
mod generations;
mod interleavings;
mod order;
mod recording;
mod stream;
mod support;
