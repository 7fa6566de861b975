//! How users say what is to go, and what follows for a model.

use super::limits::{Bound, Bounds, bounds};
use super::strand::Strand;
use super::ties::Ties;
use super::wish::{planned, quota, settle};
use super::{Budget, Limits, Plan, Prices, Scope, Wish, authors, budget, lossless, widths};
use crate::couple::{Coupling, Facts};
use crate::error::{Error, ErrorKind, Result};
use crate::score::{self, Ranking, Scores};

/// How to decide what goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// How much.
    pub budget: Budget,
    /// Of which groups.
    pub scope: Scope,
    /// In which order.
    pub ranking: Ranking,
    /// What is set apart.
    pub limits: Limits,
    /// Whether groups may lose units of which the removal changes a statistic; the proof sets them aside.
    pub allow_inexact: bool,
}

impl Choice {
    /// The defaults, with that budget.
    pub fn new(budget: Budget) -> Self {
        Self { budget, scope: Scope::All, ranking: Ranking::default(), limits: Limits::default(), allow_inexact: false }
    }

    /// The defaults, at that pruning rate.
    pub fn rate(rate: f64) -> Self {
        Self::new(Budget::Rate(rate))
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What goes.
    pub plan: Plan,
    /// Why groups are no candidates, by number.
    pub left: Vec<(usize, &'static str)>,
    /// What a reader should know of how it came about.
    pub notes: Vec<String>,
}

/// No group loses more for a budget, unless that is asked for.
const MOST_FOR_BUDGETS: f64 = 0.9;

/// Decides. Errors where an option does not fit the model, a budget is out of reach, or a weight is NaN or infinite.
pub fn decide(facts: &Facts<'_>, coupling: &Coupling, choice: &Choice) -> Result<Decision> {
    choice.budget.check()?;
    if let Budget::Rate(rate) = choice.budget {
        choice.ranking.check_at(rate)?;
    }
    let is_share = matches!(choice.budget, Budget::CutFlops(_) | Budget::CutParams(_));
    let most = if is_share { MOST_FOR_BUDGETS } else { 1.0 };
    let bounds = bounds(facts, coupling, choice, most)?;
    let widths = choice.limits.round_to.map_or(Vec::new(), |n| widths::widths(facts, coupling, n));
    let ties = Ties::new(coupling, widths);
    let mut decision = Decision { plan: Plan::default(), left: bounds.left.clone(), notes: bounds.notes.clone() };
    if choice.budget == Budget::Lossless {
        decision.plan = lossless::plan(facts, coupling, &ties, &bounds)?;
        return Ok(decision);
    }
    let scores = score::score(facts, coupling, &choice.ranking)?;
    let prices = Prices::new(facts, coupling);
    let under = under(choice, most);
    match choice.budget {
        Budget::Rate(rate) => decision.plan = at_rate(coupling, &ties, &bounds, &scores, rate),
        Budget::CutFlops(share) => {
            let want = Want { share, of: "MACs", option: "--cut-flops", under, price: &|n| prices.macs(n) };
            want.decide(coupling, &ties, &bounds, &scores, &mut decision)?;
        }
        Budget::CutParams(share) => {
            let want = Want { share, of: "parameters", option: "--cut-params", under, price: &|n| prices.params(n) };
            want.decide(coupling, &ties, &bounds, &scores, &mut decision)?;
        }
        Budget::Lossless => {}
    }
    decision.notes.extend(authors::notes(choice, coupling, &decision.plan));
    Ok(decision)
}

fn at_rate(coupling: &Coupling, ties: &Ties<'_>, bounds: &Bounds, scores: &[Scores], rate: f64) -> Plan {
    let wish = |g: usize, bound: Bound| {
        let rate = bound.rate.unwrap_or(rate).min(bound.most);
        Wish { order: scores[g].order(), quota: quota(rate, coupling.groups[g].units.len()) }
    };
    let wishes: Vec<Option<Wish>> = bounds.of.iter().enumerate().map(|(g, b)| Some(wish(g, (*b)?))).collect();
    settle(ties, &wishes)
}

/// What bounds a budget beside the network: ` (..)`.
fn under(choice: &Choice, most: f64) -> String {
    let limits = &choice.limits;
    let most = limits.max_rate.unwrap_or(most);
    let bounds = [
        (most < 1.0).then(|| format!("--max-rate {most}")),
        (choice.scope == Scope::Inner).then(|| "--scope inner".into()),
        (!limits.keep.is_empty()).then(|| "--keep".into()),
        (!limits.only.is_empty()).then(|| "--only".into()),
        (!limits.rate_for.is_empty()).then(|| "--rate-for".into()),
        limits.round_to.map(|n| format!("--round-to {n}")),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if bounds.is_empty() { String::new() } else { format!(", with {}", bounds.join(", ")) }
}

/// A share of a cost that has to go.
struct Want<'a> {
    share: f64,
    of: &'static str,
    option: &'static str,
    /// What else bounds it, in words.
    under: String,
    price: budget::Price<'a>,
}

impl Want<'_> {
    fn decide(
        &self,
        coupling: &Coupling,
        ties: &Ties<'_>,
        bounds: &Bounds,
        scores: &[Scores],
        decision: &mut Decision,
    ) -> Result<()> {
        let strands = Strand::all(coupling, ties, bounds);
        let (groups, target) = (coupling.groups.len(), self.share);
        let search = budget::Search { strands: &strands, ties, groups, price: self.price, target };
        let reached = search.reach().map_err(|most| self.unreachable(most, (self.price)(&vec![0; groups])))?;
        let mut remove = vec![Vec::new(); coupling.groups.len()];
        for (strand, counts) in strands.iter().zip(&reached.counts) {
            for (cell, &n) in strand.cells.iter().zip(counts).filter(|c| *c.1 > 0) {
                let order = scores[cell.group].order();
                remove[cell.group].extend(order.iter().filter(|u| cell.units.contains(u)).take(n));
            }
        }
        decision.plan = planned(remove, |g| bounds.admits(g));
        decision.notes.push(format!(
            "{:.2} % of the {} go ({:.2} % asked for): at most {:.1} % of a group's channels",
            100.0 * reached.share,
            self.of,
            100.0 * self.share,
            100.0 * reached.rate
        ));
        Ok(())
    }

    /// `whole`: the cost of all. The share is rounded down, so that asking for what is named succeeds.
    fn unreachable(&self, most: f64, whole: u64) -> Error {
        let obstacle = match (whole, self.under.is_empty()) {
            (0, _) => format!("the model has no {}", self.of),
            (_, true) => "every group keeps a unit".to_owned(),
            (_, false) => "these limits, and that every group keeps a unit".to_owned(),
        };
        let (option, share, of, most) = (self.option, self.share, self.of, (1e4 * most).floor() / 100.0);
        let under = &self.under;
        Error::new(ErrorKind::Unreachable {
            what: format!("{option} {share} is out of reach: the largest cut here is {most:.2} % of the {of}{under}"),
            obstacle: Some(obstacle),
        })
    }
}

impl Budget {
    /// Whether its share is one. Errors where it is not between 0 and 1.
    pub fn check(self) -> Result<()> {
        let (option, share) = match self {
            Self::Rate(r) => ("--rate", r),
            Self::CutFlops(r) => ("--cut-flops", r),
            Self::CutParams(r) => ("--cut-params", r),
            Self::Lossless => return Ok(()),
        };
        if share > 0.0 && share < 1.0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::BadOption(format!("{option} {share} is not between 0 and 1, as in {option} 0.3"))))
    }
}
