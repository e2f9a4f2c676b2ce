//! The account: what a delivery says became of what was handed over, held against what the sink has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use watchpost_sentry::{delivery::Outcome, wire::Category};

use super::{arrivals::Arrivals, items};

/// The categories of items, in the order of [`items::KINDS`].
const CATEGORIES: [Category; 4] = [Category::Error, Category::Transaction, Category::Span, Category::LogItem];

/// What became of what was handed over, as the delivery says; crosses processes as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Account {
    /// By category: the four of items, and the logs' bytes.
    categories: BTreeMap<String, Figures>,
    pub(super) recovered: u64,
    pub(super) damaged: u64,
    pub(super) spool_bytes: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Figures {
    accepted: u64,
    sent: u64,
    held: u64,
    dropped: BTreeMap<String, u64>,
}

impl From<&Outcome> for Account {
    fn from(outcome: &Outcome) -> Self {
        let figures = |category: &Category| {
            let tally = outcome.tally(*category);
            let dropped = tally.drops().map(|(reason, count)| (reason.as_str().to_owned(), count)).collect();
            (category.to_string(), Figures { accepted: tally.accepted, sent: tally.sent, held: tally.held, dropped })
        };
        let categories = CATEGORIES.iter().chain(&[Category::LogByte]).map(figures).collect();
        Self { categories, recovered: outcome.recovered, damaged: outcome.damaged, spool_bytes: outcome.spool_bytes }
    }
}

impl Account {
    fn of(&self, category: Category) -> Figures {
        self.categories.get(&category.to_string()).cloned().unwrap_or_default()
    }

    fn sum(&self, figure: impl Fn(&Figures) -> u64) -> u64 {
        CATEGORIES.iter().map(|category| figure(&self.of(*category))).sum()
    }

    pub(super) fn accepted(&self) -> u64 {
        self.sum(|figures| figures.accepted)
    }

    pub(super) fn held(&self) -> u64 {
        self.sum(|figures| figures.held)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.sum(|figures| figures.dropped.values().sum())
    }

    /// The reasons for which items were dropped, with their counts.
    pub(super) fn reasons(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for category in CATEGORIES {
            for (reason, count) in self.of(category).dropped {
                *reasons.entry(reason).or_default() += count;
            }
        }
        reasons
    }

    /// What is wrong if these numbers were handed over and the sink has this: for each category, accepted is what was handed
    /// over, and sent, held and dropped together; sent is what the sink has. `earlier` is what the sink had of them before.
    pub(super) fn check(&self, handed: impl Iterator<Item = u64>, arrivals: &Arrivals, wrong: &mut Vec<String>) {
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        let mut log_bytes = 0;
        for number in handed {
            *expected.entry(items::kind(number)).or_default() += 1;
            if items::kind(number) == "log" {
                log_bytes += items::json(number).len() as u64;
            }
        }
        let mut claim = |what: String, left: u64, right: u64| {
            if left != right {
                wrong.push(format!("{what}: {left} is not {right}"));
            }
        };
        for (category, kind) in CATEGORIES.iter().zip(items::KINDS) {
            let figures = self.of(*category);
            claim(
                format!("{kind}: accepted is what was handed over"),
                figures.accepted,
                expected.get(kind).copied().unwrap_or(0),
            );
            claim(format!("{kind}: sent is what arrived"), figures.sent, arrivals.received(kind));
        }
        claim(
            "bytes of logs: accepted is what was handed over".to_owned(),
            self.of(Category::LogByte).accepted,
            log_bytes,
        );
        for (category, figures) in &self.categories {
            let sum = figures.sent + figures.held + figures.dropped.values().sum::<u64>();
            claim(format!("{category}: accepted is sent, held and dropped together"), figures.accepted, sum);
        }
        claim("nothing arrives twice".to_owned(), arrivals.repeated(), 0);
        wrong.extend(arrivals.wrong.iter().take(3).cloned());
    }

    /// What is wrong if client reports could be sent: they tell of all drops that Sentry should hear of, no more and no less.
    pub(super) fn check_reports(&self, arrivals: &Arrivals, wrong: &mut Vec<String>) {
        for category in CATEGORIES.iter().chain(&[Category::LogByte]) {
            let mut dropped: BTreeMap<String, u64> = self.of(*category).dropped;
            // Sentry has counted those itself.
            dropped.remove("rate_limited");
            if *category == Category::Span {
                // Each of these transactions is a span, too.
                for (reason, count) in self.of(Category::Transaction).dropped {
                    if reason != "rate_limited" {
                        *dropped.entry(reason).or_default() += count;
                    }
                }
            }
            let name = category.to_string();
            let total: u64 = dropped.values().sum();
            if arrivals.reported_of(&name) != total {
                wrong.push(format!("{name}: {} reported to Sentry of {total} dropped", arrivals.reported_of(&name)));
            }
            for (reason, count) in dropped {
                let reported = arrivals.reported.get(&(reason.clone(), name.clone())).copied().unwrap_or(0);
                if reported != count {
                    wrong.push(format!("{name}: {reported} reported to Sentry as {reason}, but {count} dropped"));
                }
            }
        }
    }
}
