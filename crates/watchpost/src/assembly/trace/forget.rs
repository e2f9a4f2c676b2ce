//! What a trace that goes on forgets: a host may have all its runs in one.

use std::{collections::HashMap, mem};

use super::{Root, Run, Trace};
use crate::assembly::{
    node::{Body, Role, State},
    table::Table,
};

/// A trace that goes on forgets of its released spans what nobody needs, whenever it has this many.
pub(super) const MAX_RELEASED: usize = 8_192;
/// The same of a recording, where the start of a span may come long after its end: about 8 MiB.
pub(super) const MAX_RELEASED_OF_RECORDING: usize = 32_768;

impl Trace {
    /// Forgets released spans when there are many: those with nothing open or held below them. Generations, and what was
    /// rolled up of hidden ones, stay for as long as their run goes on, which counts them. Runs that are over go with their spans.
    pub(in crate::assembly) fn forget_released(&mut self) {
        if self.table.nodes.len() < self.forget_at {
            return;
        }
        let goes_on: Vec<bool> =
            (0..self.runs.len()).map(|run| self.runs[run].open > 0 || self.runs[run].held > 0).collect();
        let mut needed = vec![false; self.table.nodes.len()];
        for at in 0..needed.len() {
            let node = &self.table.nodes[at];
            let counts =
                node.role == Role::Generation || (node.state == State::Released && matches!(node.body, Body::Model(_)));
            let is_counted = counts && goes_on[self.top_of(node.group as usize)];
            let is_loose = node.state == State::Ended && !node.is_kept && goes_on[self.top_of(node.group as usize)];
            // The text of an answer that was sent is sent.
            let is_loose = is_loose && (node.role != Role::Chunk || !self.is_below_released_generation(at));
            if node.state == State::Open || (node.state == State::Ended && node.is_kept) || is_counted || is_loose {
                needed[at] = true;
                for above in self.table.above(at) {
                    if mem::replace(&mut needed[above], true) {
                        break;
                    }
                }
            }
        }
        let mut groups: HashMap<u32, u32> = HashMap::new();
        let old_runs = mem::take(&mut self.runs);
        let top = |mut run: usize| {
            while let Some(part_of) = old_runs[run].part_of {
                run = part_of as usize;
            }
            run as u32
        };
        let mut places = vec![0; needed.len()];
        let nodes = mem::take(&mut self.table).nodes;
        let mut left = Vec::new();
        let mut members: Vec<Vec<u32>> = Vec::new();
        for (at, mut node) in nodes.into_iter().enumerate() {
            if !needed[at] {
                self.bytes -= node.bytes;
                continue;
            }
            let count = groups.len() as u32;
            let group = *groups.entry(top(node.group as usize)).or_insert(count);
            if group == count {
                members.push(Vec::new());
            }
            node.group = group;
            places[at] = left.len() as u32;
            members[group as usize].push(places[at]);
            left.push(node);
        }
        self.table = Table::of(left);
        for run in self.missing.values_mut() {
            let count = groups.len() as u32;
            let group = *groups.entry(top(*run as usize)).or_insert(count);
            if group == count {
                members.push(Vec::new());
            }
            *run = group;
        }
        let mut runs: Vec<Option<Run>> = old_runs.into_iter().map(Some).collect();
        let mut kept: Vec<(u32, u32)> = groups.into_iter().map(|(old, new)| (new, old)).collect();
        kept.sort_unstable();
        for ((_, old), members) in kept.into_iter().zip(members) {
            let Some(mut run) = runs[old as usize].take() else { continue };
            run.members = members;
            run.root = match run.root {
                Root::Open(at) => Root::Open(places[at as usize]),
                Root::Ended(at) => Root::Ended(places[at as usize]),
                root => root,
            };
            self.runs.push(run);
        }
        self.forget_at = self.forget_least.max(2 * self.table.nodes.len());
    }

    fn is_below_released_generation(&self, at: usize) -> bool {
        let nodes = &self.table.nodes;
        let generation = self.table.above(at).find(|above| nodes[*above].role == Role::Generation);
        generation.is_some_and(|generation| nodes[generation].state == State::Released)
    }
}
