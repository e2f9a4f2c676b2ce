//! What a check finds wrong. The same finding about many events is told once, with how often it was met.

/// As many findings are told one by one; the rest is counted.
const TOLD: usize = 40;

/// What a check found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<(String, String, u32)>,
}

impl Findings {
    /// Adds something that is wrong.
    pub(super) fn add(&mut self, what: impl Into<String>) {
        self.add_at(what, String::new());
    }

    /// Adds something that is wrong, and where; only the first place is told.
    pub(super) fn add_at(&mut self, what: impl Into<String>, place: impl Into<String>) {
        let what = what.into();
        match self.found.iter_mut().find(|(known, ..)| *known == what) {
            Some((.., times)) => *times += 1,
            None => self.found.push((what, place.into(), 1)),
        }
    }

    /// Adds `what` unless `right`.
    pub(super) fn expect(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right {
            self.add(what());
        }
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// One line for each finding.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let told = self.found.iter().take(TOLD).map(|(what, place, times)| {
            let place = if place.is_empty() { String::new() } else { format!(" [{place}]") };
            let times = if *times > 1 { format!(" (and {} times more)", times - 1) } else { String::new() };
            format!("{what}{place}{times}")
        });
        let rest = self.found.len().saturating_sub(TOLD);
        told.chain((rest > 0).then(|| format!("and {rest} findings more")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_finding_is_told_once_with_its_first_place_and_its_count() {
        let mut findings = Findings::default();
        findings.add_at("no tag", "tools/call a");
        findings.add_at("no tag", "tools/call b");
        findings.expect(true, || "not wrong".to_owned());
        assert_eq!(findings.lines().collect::<Vec<_>>(), ["no tag [tools/call a] (and 1 times more)"]);
    }
}
