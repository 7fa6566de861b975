//! A share of the cost to take away: how much of each group has to go for it.
//!
//! The levels of all strands, in an order that does not depend on the target, are one path: by the rates at which they are reached, so that all
//! groups go down together ([`by_rate`]), or by what was measured that they cost ([`super::greedy`]). The shortest beginning of the path that
//! reaches the target is taken. Where its last step is a large one (half of a narrow residual stream),
//! the others go on without it, unless that takes more. What single levels, last first, can be put back without falling below the target
//! is put back.
//!
//! Invariant: of two targets, the larger one never leaves more of the cost. Let the larger one take a longer beginning: the smaller one's
//! whole beginning falls short of it. Let both take the same: they put back the same levels up to the first that only the smaller one can
//! spare, and with that it is below the larger target. Walking around a step is taken only where it leaves no less than the step itself would,
//! so that both hold for it too.

use super::strand::Strand;
use super::ties::Ties;

/// A cost by how many units are gone of each group.
pub(super) type Price<'a> = &'a dyn Fn(&[usize]) -> u64;

/// A strand, and the level that it reaches: one more than before.
pub(super) type Step = (usize, usize);

/// A step that takes a larger share of the cost is walked around, if the others can make up for it.
const LARGE: f64 = 0.02;

/// Counts that reach a target.
#[derive(Debug, PartialEq)]
pub(super) struct Reached {
    /// How many units of each cell go, by strand.
    pub counts: Vec<Vec<usize>>,
    /// The share of the cost that is gone.
    pub share: f64,
}

/// What is searched, and for what.
pub(super) struct Search<'a> {
    /// What goes together, and in which order.
    pub strands: &'a [Strand],
    /// The order of their levels: all but the first of each, those of one strand from low to high.
    pub path: &'a [Step],
    /// What ties the groups of a strand.
    pub ties: &'a Ties<'a>,
    /// Number of groups.
    pub groups: usize,
    /// The cost.
    pub price: Price<'a>,
    /// The share of the cost to take away.
    pub target: f64,
}

impl Search<'_> {
    /// The counts that take the target away. `Err`: the largest share that can be taken away.
    pub(super) fn reach(&self) -> Result<Reached, f64> {
        let path = self.path;
        let n = self.shortest(path).ok_or_else(|| self.share(&self.at(path)))?;
        let crossed = self.at(&path[..n]);
        let around = self.around(path, n).filter(|r| r.share <= self.share(&crossed));
        Ok(around.unwrap_or_else(|| self.pared(&path[..n])))
    }

    /// The shortest beginning of a path that is enough.
    fn shortest(&self, path: &[Step]) -> Option<usize> {
        if !self.is_enough(&self.at(path)) {
            return None;
        }
        let (mut low, mut high) = (0, path.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.is_enough(&self.at(&path[..middle])) { high = middle } else { low = middle + 1 }
        }
        Some(high)
    }

    /// The target without the last of `n` steps, where that step is a large one: the others go on instead.
    fn around(&self, path: &[Step], n: usize) -> Option<Reached> {
        let last = path[..n].last()?;
        if self.share(&self.at(&path[..n])) - self.share(&self.at(&path[..n - 1])) <= LARGE {
            return None;
        }
        let others = path[n - 1..].iter().filter(|step| step.0 != last.0);
        let path: Vec<Step> = path[..n - 1].iter().chain(others).copied().collect();
        Some(self.pared(&path[..self.shortest(&path)?]))
    }

    /// The end of a path, without what need not go.
    fn pared(&self, path: &[Step]) -> Reached {
        let mut counts = self.at(path);
        self.put_back(path, &mut counts);
        self.put_back_within(&mut counts);
        Reached { share: self.share(&counts), counts }
    }

    /// Where a path ends.
    fn at(&self, path: &[Step]) -> Vec<Vec<usize>> {
        let mut levels = vec![0; self.strands.len()];
        path.iter().for_each(|&(s, level)| levels[s] = level);
        levels.iter().zip(self.strands).map(|(&l, strand)| strand.levels[l].clone()).collect()
    }

    /// Takes levels back, the last first, as long as the target holds.
    fn put_back(&self, path: &[Step], counts: &mut [Vec<usize>]) {
        let mut needed = vec![false; counts.len()];
        for &(s, level) in path.iter().rev() {
            if needed[s] {
                continue;
            }
            let less = self.strands[s].levels[level - 1].clone();
            needed[s] = !self.try_less(counts, s, less);
        }
    }

    /// The same group by group, where several are tied together.
    fn put_back_within(&self, counts: &mut [Vec<usize>]) {
        for (s, strand) in self.strands.iter().enumerate() {
            for group in Some(strand.groups()).filter(|g| g.len() > 1).into_iter().flatten() {
                while let Some(less) = strand.less(self.ties, &counts[s], group) {
                    if !self.try_less(counts, s, less) {
                        break;
                    }
                }
            }
        }
    }

    /// Puts the counts of a strand in place, if the target holds with them.
    fn try_less(&self, counts: &mut [Vec<usize>], s: usize, less: Vec<usize>) -> bool {
        let before = std::mem::replace(&mut counts[s], less);
        let holds = self.is_enough(counts);
        if !holds {
            counts[s] = before;
        }
        holds
    }

    fn is_enough(&self, counts: &[Vec<usize>]) -> bool {
        self.share(counts) >= self.target
    }

    fn share(&self, counts: &[Vec<usize>]) -> f64 {
        let mut of_group = vec![0; self.groups];
        let whole = (self.price)(&of_group) as f64;
        for (strand, counts) in self.strands.iter().zip(counts) {
            strand.cells.iter().zip(counts).for_each(|(cell, n)| of_group[cell.group] += n);
        }
        gone(whole, (self.price)(&of_group) as f64)
    }
}

/// The share that is gone, however it is rounded: the smaller of two ways to compute it. Of nothing, nothing goes.
fn gone(whole: f64, left: f64) -> f64 {
    if whole < 1.0 {
        return 0.0;
    }
    ((whole - left) / whole).min(1.0 - left / whole)
}

/// All levels but the first of each strand, by rate.
pub(super) fn by_rate(strands: &[Strand]) -> Vec<Step> {
    let mut path: Vec<Step> =
        strands.iter().enumerate().flat_map(|(s, strand)| (1..strand.levels.len()).map(move |l| (s, l))).collect();
    let rate = |&(s, level): &Step| strands[s].rates[level];
    path.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.cmp(b)));
    path
}
