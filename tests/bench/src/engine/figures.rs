//! Figures of several rounds and the table they end in.

use std::time::Duration;

/// How long one thing took, many times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Latency {
    /// In milliseconds.
    pub(super) fn of(mut taken: Vec<Duration>) -> Self {
        taken.sort_unstable();
        let at = |share: f64| {
            let place = (taken.len() as f64 * share) as usize;
            let duration = taken.get(place.min(taken.len().saturating_sub(1)));
            duration.map_or(f64::NAN, |duration| duration.as_secs_f64() * 1_000.0)
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

/// One line of the table: ours against what it is held against, round by round.
#[derive(Default)]
pub(super) struct Line {
    name: String,
    demand: String,
    ours: Vec<f64>,
    other: Vec<f64>,
}

/// All lines, in the order in which they were first heard of.
#[derive(Default)]
pub(super) struct Table(Vec<Line>);

impl Table {
    /// Notes one round. `demand` is what the ratio should be.
    pub(super) fn note(&mut self, name: &str, demand: &str, ours: f64, other: f64) {
        println!("  {name:<44}{ours:>12.1}{other:>12.1}{:>8.2}", ours / other);
        let known = self.0.iter().position(|line| line.name == name);
        let at = known.unwrap_or_else(|| {
            self.0.push(Line {
                name: name.to_owned(),
                demand: demand.to_owned(),
                ..Line::default()
            });
            self.0.len() - 1
        });
        self.0[at].ours.push(ours);
        self.0[at].other.push(other);
    }

    /// Medians (lowest to highest) and the median of the rounds' ratios.
    pub(super) fn print(&self) {
        println!();
        println!(
            "{:<46}{:>30}{:>30}{:>8}  demand",
            "median (lowest to highest)", "engine", "held against", "ratio"
        );
        for line in &self.0 {
            let ratios = line
                .ours
                .iter()
                .zip(&line.other)
                .map(|(ours, other)| ours / other);
            println!(
                "{:<46}{:>30}{:>30}{:>8.2}  {}",
                line.name,
                spread(&line.ours),
                spread(&line.other),
                median(&ratios.collect::<Vec<_>>()),
                line.demand
            );
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> String {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shown = |value: f64| {
        if value < 1.0 {
            format!("{value:.4}")
        } else if value < 100.0 {
            format!("{value:.1}")
        } else {
            format!("{value:.0}")
        }
    };
    format!(
        "{} ({} to {})",
        shown(median(values)),
        shown(lowest),
        shown(highest)
    )
}
