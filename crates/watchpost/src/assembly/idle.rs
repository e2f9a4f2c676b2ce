//! A list of things in the order they were touched last, each at a place that stays: which trace is idle longest.

use std::ops::{Index, IndexMut};

const NONE: usize = usize::MAX;

#[derive(Debug)]
pub(super) struct Idle<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
    oldest: usize,
    newest: usize,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    older: usize,
    newer: usize,
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE }
    }
}

impl<T> Idle<T> {
    pub(super) fn add(&mut self, value: T) -> usize {
        let slot = Slot { value: Some(value), older: NONE, newer: NONE };
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place] = slot;
                place
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.link(place);
        place
    }

    /// It is the one touched last now.
    pub(super) fn touch(&mut self, place: usize) -> &mut T {
        if self.newest != place {
            self.unlink(place);
            self.link(place);
        }
        &mut self[place]
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let value = self.slots.get_mut(place)?.value.take()?;
        self.unlink(place);
        self.free.push(place);
        Some(value)
    }

    /// The one not touched for longest.
    pub(super) fn oldest(&self) -> Option<usize> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    pub(super) fn contains(&self, place: usize) -> bool {
        self.slots.get(place).is_some_and(|slot| slot.value.is_some())
    }

    /// All places that are taken, oldest first.
    pub(super) fn places(&self) -> Vec<usize> {
        let newer = |place: &usize| Some(self.slots[*place].newer).filter(|place| *place != NONE);
        std::iter::successors(self.oldest(), newer).collect()
    }

    fn link(&mut self, place: usize) {
        self.slots[place].older = self.newest;
        self.slots[place].newer = NONE;
        match self.newest {
            NONE => self.oldest = place,
            newest => self.slots[newest].newer = place,
        }
        self.newest = place;
    }

    fn unlink(&mut self, place: usize) {
        let (older, newer) = (self.slots[place].older, self.slots[place].newer);
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer].older = older,
        }
    }
}

impl<T> Index<usize> for Idle<T> {
    type Output = T;

    #[expect(clippy::expect_used, reason = "a place is one that `add` gave and `remove` did not take back")]
    fn index(&self, place: usize) -> &T {
        self.slots[place].value.as_ref().expect("the place is taken")
    }
}

impl<T> IndexMut<usize> for Idle<T> {
    #[expect(clippy::expect_used, reason = "a place is one that `add` gave and `remove` did not take back")]
    fn index_mut(&mut self, place: usize) -> &mut T {
        self.slots[place].value.as_mut().expect("the place is taken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_one_touched_longest_ago() {
        let mut idle = Idle::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| idle.add(name));
        idle.touch(a);
        assert_eq!(idle.places(), [b, c, a]);
        assert_eq!(idle.remove(c), Some("c"));
        assert_eq!(idle.remove(c), None);
        idle.touch(b);
        assert_eq!(idle.places(), [a, b]);
        let d = idle.add("d");
        assert_eq!((d, idle.places()), (c, vec![a, b, d]));
        for place in [a, b, d] {
            idle.remove(place);
        }
        assert_eq!((idle.oldest(), idle.places()), (None, vec![]));
    }
}
