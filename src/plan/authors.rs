//! Where the authors' code counts otherwise: its mixed variant takes `int(N P)` units by norm and `int(N (R - P))` by distance, both of the
//! full `N`; here `floor(R N)` go in all, so that the rate means the same under every criterion.

use std::collections::BTreeMap;

use super::{Budget, Choice, Plan};
use crate::couple::Coupling;
use crate::score::share;

/// What a reader should know of the norm step: that there is none, or the authors' two counts where their sum is another.
pub(super) fn notes(choice: &Choice, coupling: &Coupling, plan: &Plan) -> Vec<String> {
    let limits = &choice.limits;
    let one_rate = limits.rate_for.is_empty() && limits.round_to.is_none() && limits.max_rate.is_none();
    let note = match (choice.ranking.norm_rate(), choice.budget) {
        (_, Budget::Lossless) => None,
        (Some(0.0), _) => Some("--norm-rate is 0: nothing goes by norm, all by distance".into()),
        (Some(norm), Budget::Rate(rate)) if one_rate => counts(coupling, plan, norm, rate),
        _ => None,
    };
    note.into_iter().collect()
}

/// The authors' counts, by size of the groups, where their sum is another than the count here.
fn counts(coupling: &Coupling, plan: &Plan, norm: f64, rate: f64) -> Option<String> {
    let mut sizes = BTreeMap::<usize, usize>::new();
    for group in plan.groups.iter().filter_map(|p| coupling.groups.get(p.id)) {
        *sizes.entry(group.units.len()).or_default() += 1;
    }
    let differ = sizes.into_iter().filter_map(|(n, groups)| difference(n, groups, norm, rate));
    let differ: Vec<String> = differ.collect();
    let head = "the authors' code takes int(N P) by norm and int(N (R - P)) by distance, here floor(R N) go: ";
    (!differ.is_empty()).then(|| head.to_owned() + &differ.join("; "))
}

/// The two ways to count, for groups of `n` units, where they differ.
fn difference(n: usize, groups: usize, norm: f64, rate: f64) -> Option<String> {
    let (small, near, ours) = (share(norm, n), share(rate - norm, n), share(rate, n));
    let plural = if groups == 1 { "" } else { "s" };
    (small + near != ours)
        .then(|| format!("{small} + {near} = {}, not {ours}, of N = {n} ({groups} group{plural})", small + near))
}
