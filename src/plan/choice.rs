//! How users say what is to go, and what follows for a model.

use super::limits::{Bound, Bounds, bounds};
use super::strand::Strand;
use super::ties::Ties;
use super::wish::{planned, quota, settle};
use super::{Budget, ErrorCurves, Limits, Plan, Prices, Scope, Wish, authors, budget, greedy, lossless, widths};
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

    /// What ties the groups.
    pub(super) fn ties<'c>(&self, facts: &Facts<'_>, coupling: &'c Coupling) -> Ties<'c> {
        let widths = self.limits.round_to.map_or(Vec::new(), |n| widths::widths(facts, coupling, n));
        Ties::new(coupling, widths)
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

/// Decides. A share of a cost is split between the groups by what `curves` says that they cost, where it says so of any; without, all go down at
/// one rate. Other budgets leave nothing to split.
///
/// Errors where an option does not fit the model, a budget is out of reach, or a weight is NaN or infinite.
pub fn decide(
    facts: &Facts<'_>,
    coupling: &Coupling,
    choice: &Choice,
    curves: Option<&ErrorCurves>,
) -> Result<Decision> {
    choice.budget.check()?;
    if let Budget::Rate(rate) = choice.budget {
        choice.ranking.check_at(rate)?;
    }
    let most = choice.budget.most();
    let (bounds, ties) = (bounds(facts, coupling, choice, most)?, choice.ties(facts, coupling));
    let curves = curves.filter(|c| !c.is_empty());
    let mut decision = Decision { plan: Plan::default(), left: bounds.left.clone(), notes: bounds.notes.clone() };
    let scores = || score::score(facts, coupling, &choice.ranking);
    let under = under(choice, most);
    let from = |scores| Candidates { coupling, ties: &ties, bounds: &bounds, scores };
    match choice.budget {
        Budget::Lossless => decision.plan = lossless::plan(facts, coupling, &ties, &bounds)?,
        Budget::Rate(rate) => decision.plan = from(&scores()?).at_rate(rate),
        Budget::CutFlops(share) => {
            let prices = Prices::new(facts, coupling);
            let want = Want { share, of: "MACs", option: "--cut-flops", under, price: &|n| prices.macs(n), curves };
            want.decide(&from(&scores()?), &mut decision)?;
        }
        Budget::CutParams(share) => {
            let prices = Prices::new(facts, coupling);
            let want =
                Want { share, of: "parameters", option: "--cut-params", under, price: &|n| prices.params(n), curves };
            want.decide(&from(&scores()?), &mut decision)?;
        }
    }
    decision.notes.extend(authors::notes(choice, coupling, &decision.plan));
    Ok(decision)
}

/// What can be chosen from.
pub(super) struct Candidates<'a> {
    pub coupling: &'a Coupling,
    pub ties: &'a Ties<'a>,
    pub bounds: &'a Bounds,
    pub scores: &'a [Scores],
}

impl Candidates<'_> {
    fn at_rate(&self, rate: f64) -> Plan {
        let wish = |g: usize, bound: Bound| {
            let rate = bound.rate.unwrap_or(rate).min(bound.most);
            Wish { order: self.scores[g].order(), quota: quota(rate, self.units(g)) }
        };
        let wishes: Vec<Option<Wish>> = self.bounds.of.iter().enumerate().map(|(g, b)| Some(wish(g, (*b)?))).collect();
        settle(self.ties, &wishes)
    }

    /// The plan that takes so many units of each cell.
    pub(super) fn taking(&self, strands: &[Strand], counts: &[Vec<usize>]) -> Plan {
        let mut remove = vec![Vec::new(); self.coupling.groups.len()];
        for (strand, counts) in strands.iter().zip(counts) {
            for (cell, &n) in strand.cells.iter().zip(counts).filter(|c| *c.1 > 0) {
                let order = self.scores[cell.group].order();
                remove[cell.group].extend(order.iter().filter(|u| cell.units.contains(u)).take(n));
            }
        }
        planned(remove, |g| self.bounds.admits(g))
    }

    fn units(&self, group: usize) -> usize {
        self.coupling.groups[group].units.len()
    }
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
    /// What was measured of the groups.
    curves: Option<&'a ErrorCurves>,
}

impl Want<'_> {
    fn decide(&self, from: &Candidates<'_>, decision: &mut Decision) -> Result<()> {
        let strands = Strand::all(from.coupling, from.ties, from.bounds);
        let (groups, target) = (from.coupling.groups.len(), self.share);
        let path = match self.curves {
            Some(curves) => greedy::path(&strands, curves, self.price, groups),
            None => budget::by_rate(&strands),
        };
        let search =
            budget::Search { strands: &strands, path: &path, ties: from.ties, groups, price: self.price, target };
        let reached = search.reach().map_err(|most| self.unreachable(most, (self.price)(&vec![0; groups])))?;
        let plan = from.taking(&strands, &reached.counts);
        let shares = plan.groups.iter().map(|g| g.remove.len() as f64 / from.units(g.id) as f64);
        decision.notes.push(format!(
            "{:.2} % of the {} go ({:.2} % asked for): at most {:.1} % of a group's channels",
            100.0 * reached.share,
            self.of,
            100.0 * self.share,
            100.0 * shares.fold(0.0, f64::max)
        ));
        decision.plan = plan;
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
    /// Whether it is a share of a cost, which can be split between groups in many ways.
    pub(super) fn is_share(self) -> bool {
        matches!(self, Self::CutFlops(_) | Self::CutParams(_))
    }

    /// The largest share of its units that a group loses, where none is given.
    pub(super) fn most(self) -> f64 {
        if self.is_share() { MOST_FOR_BUDGETS } else { 1.0 }
    }

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
