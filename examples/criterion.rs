//! A criterion of a program's own, and what it chooses beside the built-in ones: `cargo run --release --example criterion -- MODEL`.
//!
//! To add one to secateur itself, put such an `impl` into a file of `src/score`, name it in a line of `CRITERIA`, and give it its brute
//! force in `tests/it/criteria.rs`; options, help and plans follow from the table.
#![allow(clippy::print_stdout)]

use std::error::Error;

use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::pipeline::{Destination, PruneOptions, prune};
use secateur::plan::Choice;
use secateur::score::{CRITERIA, Criterion, Units};

/// Filters that have the most in common with another one go first: `1 - max over i != j of |cos(F_j, F_i)|`. Unlike a distance, an angle
/// does not see how large a filter is.
struct Twins;

impl Criterion for Twins {
    fn name(&self) -> &'static str {
        "twins"
    }

    fn summary(&self) -> &'static str {
        "smallest angle to another filter first"
    }

    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        let (products, norms) = (units.filters.dot(&units.filters.t()), units.norms);
        let cosine = |i: usize, j: usize| products[[i, j]].abs() / (norms[i] * norms[j]).max(f64::MIN_POSITIVE);
        let others = |j| (0..norms.len()).filter(move |&i| i != j);
        (0..norms.len()).map(|j| 1.0 - others(j).map(|i| cosine(i, j)).fold(0.0, f64::max)).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = match std::env::args().nth(1) {
        Some(path) => Model::read(path.as_ref())?,
        None => cifar_resnet(20, Shortcut::Pad, 0)?,
    };
    let own: &'static dyn Criterion = &Twins;
    for criterion in [own].iter().chain(CRITERIA) {
        let mut choice = Choice::rate(0.3);
        choice.ranking.criterion = *criterion;
        let report = prune(&model, &PruneOptions::new(choice), Destination::Nowhere)?;
        let proof = report.verification.map_or_else(String::new, |v| v.status);
        let cosine = report.fidelity.map_or(f64::NAN, |f| f.cosine);
        println!(
            "{:17} {} -> {} MACs, {proof}, cosine to the original {cosine:.3}; {}",
            criterion.name(),
            report.before.macs,
            report.after.macs,
            criterion.summary()
        );
    }
    Ok(())
}
