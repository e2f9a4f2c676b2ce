//! Charts as SVG made here: columns over time. Words stand beside the drawing as text, so that it may stretch; each
//! column says its numbers when pointed at, and the whole has a label for those who do not see it.

use std::fmt::Write as _;

use maud::{Markup, html};
use watchpost_sentry::wire::Timestamp;

use super::parts::instant;

/// The drawing's own size; it is stretched to its place.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// A chart's series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Its name in the legend.
    pub(super) name: &'static str,
    /// The class that gives its colour.
    pub(super) class: &'static str,
    /// One value a stretch; `None` where there is nothing to say.
    pub(super) values: Vec<Option<f64>>,
}

/// How the columns of a stretch stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// On top of each other: parts of a whole.
    Stacked,
    /// Each from the ground, the later ones in front: the larger first.
    Nested,
}

/// A chart over stretches of time.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// The number that sums it up.
    pub(super) figure: String,
    pub(super) form: Form,
    pub(super) series: Vec<Series>,
    /// How a value is written.
    pub(super) format: fn(f64) -> String,
    /// When each stretch begins.
    pub(super) times: Vec<Timestamp>,
    /// Where the scale ends at least, so that small numbers do not look large.
    pub(super) at_least: f64,
}

impl Chart {
    /// The chart with its title, figure, legend and scale.
    pub(super) fn render(&self) -> Markup {
        let top = self.top();
        let is_empty = self.series.iter().all(|series| series.values.iter().flatten().all(|value| *value == 0.0));
        html! {
            figure.card.chart {
                figcaption {
                    span.name { (self.title) }
                    span.figure { (self.figure) }
                    @if self.series.len() > 1 {
                        span.legend aria-hidden="true" {
                            @for series in &self.series { span { i class=(series.class) {} (series.name) } }
                        }
                    }
                }
                div.plot {
                    @if is_empty { span.nothing { "Nothing in this range" } } @else {
                        span.scale aria-hidden="true" { ((self.format)(top)) }
                    }
                    svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(self.label()) {
                        line.grid x1="0" x2=(WIDTH) y1="0.5" y2="0.5" {}
                        line.grid x1="0" x2=(WIDTH) y1=(HEIGHT / 2.0) y2=(HEIGHT / 2.0) {}
                        line.axis x1="0" x2=(WIDTH) y1=(HEIGHT - 0.5) y2=(HEIGHT - 0.5) {}
                        @if !is_empty {
                            (self.columns(top))
                            (self.readings())
                        }
                    }
                }
                div.times aria-hidden="true" {
                    @if let Some(first) = self.times.first() { (instant(*first)) }
                    @if let Some(middle) = self.times.get(self.times.len() / 2) { (instant(*middle)) }
                    span { "now" }
                }
            }
        }
    }

    fn width(&self) -> f64 {
        WIDTH / self.times.len().max(1) as f64
    }

    /// Where the scale ends: a round number above every value.
    fn top(&self) -> f64 {
        let height = |at: usize| {
            let values = self.series.iter().filter_map(|series| series.values.get(at).copied().flatten());
            match self.form {
                Form::Stacked => values.sum::<f64>(),
                Form::Nested => values.fold(0.0, f64::max),
            }
        };
        round_up((0..self.times.len()).map(height).fold(self.at_least, f64::max))
    }

    fn columns(&self, top: f64) -> Markup {
        let width = self.width();
        html! {
            @for at in 0..self.times.len() {
                @let heights = self.stack(at, top);
                @for (class, y, height) in heights {
                    rect class=(class) x=(format!("{:.1}", at as f64 * width + width * 0.12)) y=(format!("{y:.2}"))
                        width=(format!("{:.1}", width * 0.76)) height=(format!("{height:.2}")) {}
                }
            }
        }
    }

    /// The parts of a column from the bottom up: class, top, height.
    fn stack(&self, at: usize, top: f64) -> Vec<(&'static str, f64, f64)> {
        let mut base = HEIGHT;
        let mut parts = Vec::new();
        for series in &self.series {
            let value = series.values.get(at).copied().flatten().unwrap_or(0.0);
            if value > 0.0 && top > 0.0 {
                // At least a visible line, so that one failure among thousands is seen.
                let height = (value / top * HEIGHT).clamp(1.5, HEIGHT);
                let y = if self.form == Form::Stacked { base - height } else { HEIGHT - height };
                base = y;
                parts.push((series.class, y, height));
            }
        }
        parts
    }

    /// What each stretch says when pointed at.
    fn readings(&self) -> Markup {
        let width = self.width();
        html! {
            @for (at, time) in self.times.iter().enumerate() {
                @let readings: Vec<String> = self.series.iter().filter_map(|series| {
                    let value = series.values.get(at).copied().flatten()?;
                    Some(format!("{} {}", series.name, (self.format)(value)))
                }).collect();
                @if !readings.is_empty() {
                    rect.reading x=(format!("{:.1}", at as f64 * width)) y="0" width=(format!("{width:.1}")) height=(HEIGHT) {
                        title { (time.to_rfc3339().get(..16).unwrap_or_default().replace('T', " ")) " UTC: " (readings.join(", ")) }
                    }
                }
            }
        }
    }

    fn label(&self) -> String {
        let mut label = format!("{}: {} in all.", self.title, self.figure);
        for series in &self.series {
            let most = series.values.iter().flatten().copied().fold(0.0, f64::max);
            // Writing to a String cannot fail.
            let _ = write!(label, " {} at most {}.", series.name, (self.format)(most));
        }
        label
    }
}

/// The next round number that is not below `value`.
fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * unit)
        .find(|step| *step >= value * 0.999_999)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use watchpost_sentry::wire::Timestamp;

    use super::{Chart, Form, Series, round_up};

    fn chart(form: Form, values: Vec<Option<f64>>) -> String {
        let times = vec![Timestamp::default(); values.len()];
        let series = vec![Series { name: "failed", class: "bad", values }];
        let format = |value| format!("{value:.0}");
        Chart { title: "Calls", figure: "3".to_owned(), form, series, format, times, at_least: 0.0 }
            .render()
            .into_string()
    }

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([0.0, 1.0, 1.2, 7.0, 19.0, 410.0].map(round_up), [1.0, 1.0, 1.5, 8.0, 20.0, 500.0]);
        assert_eq!(round_up(f64::NAN), 1.0);
    }

    #[test]
    fn each_column_says_its_numbers_and_the_chart_its_most() {
        let svg = chart(Form::Stacked, vec![Some(1.0), None, Some(2.0)]);
        assert_eq!(svg.matches("<title>").count(), 2);
        assert!(svg.contains("failed at most 2."), "{svg}");
    }

    #[test]
    fn nested_columns_stand_on_the_ground() {
        let heights = |form| {
            let svg = chart(form, vec![Some(1.0)]);
            svg.matches("<rect class=\"bad\"").count()
        };
        assert_eq!((heights(Form::Nested), heights(Form::Stacked)), (1, 1));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert!(chart(Form::Stacked, vec![None, Some(0.0)]).contains("Nothing in this range"));
    }
}
