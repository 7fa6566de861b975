//! A share of the cost to take away: how much of each group has to go for it.
//!
//! All groups go down together, at one rate: the levels of all strands, in the order of the rates at which they are reached, are one path,
//! and the shortest beginning of it that reaches the target is taken. What single levels, last first, can be put back without falling below
//! the target is put back. Both steps are monotone: of two targets, the larger one never leaves more of the cost.

use super::strand::Strand;

/// A cost by how many units are gone of each group.
pub(super) type Price<'a> = &'a dyn Fn(&[usize]) -> u64;

/// Levels that reach a target.
#[derive(Debug, PartialEq)]
pub(super) struct Reached {
    /// The level of each strand.
    pub levels: Vec<usize>,
    /// The share of the cost that is gone.
    pub share: f64,
    /// The largest rate on the path.
    pub rate: f64,
}

/// What a path costs.
struct Search<'a> {
    strands: &'a [Strand],
    groups: usize,
    whole: u64,
    price: Price<'a>,
    target: f64,
}

/// The levels that take away at least `target` of the price of the whole. `Err`: the largest share that can be taken away.
pub(super) fn reach(strands: &[Strand], groups: usize, price: Price<'_>, target: f64) -> Result<Reached, f64> {
    let whole = price(&vec![0; groups]);
    let search = Search { strands, groups, whole, price, target };
    let path = path(strands);
    let levels_at = |n: usize| {
        let mut levels = vec![0; strands.len()];
        path[..n].iter().for_each(|&(s, level)| levels[s] = level);
        levels
    };
    if !search.is_enough(&levels_at(path.len())) {
        return Err(search.share(&levels_at(path.len())));
    }
    let (mut low, mut high) = (0, path.len());
    while low < high {
        let middle = (low + high) / 2;
        if search.is_enough(&levels_at(middle)) { high = middle } else { low = middle + 1 }
    }
    let mut levels = levels_at(high);
    search.put_back(&path[..high], &mut levels);
    let rates = path[..high].iter().map(|&(s, level)| strands[s].rates[level]);
    Ok(Reached { share: search.share(&levels), rate: rates.fold(0.0, f64::max), levels })
}

/// All levels but the first of each strand, by rate.
fn path(strands: &[Strand]) -> Vec<(usize, usize)> {
    let mut path: Vec<(usize, usize)> =
        strands.iter().enumerate().flat_map(|(s, strand)| (1..strand.levels.len()).map(move |l| (s, l))).collect();
    let rate = |&(s, level): &(usize, usize)| strands[s].rates[level];
    path.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.cmp(b)));
    path
}

impl Search<'_> {
    /// Takes levels back, the last first, as long as the target holds.
    fn put_back(&self, path: &[(usize, usize)], levels: &mut [usize]) {
        let mut needed = vec![false; levels.len()];
        for &(s, level) in path.iter().rev().filter(|step| step.1 > 0) {
            if needed[s] {
                continue;
            }
            levels[s] = level - 1;
            if !self.is_enough(levels) {
                levels[s] = level;
                needed[s] = true;
            }
        }
    }

    fn is_enough(&self, levels: &[usize]) -> bool {
        self.share(levels) >= self.target
    }

    fn share(&self, levels: &[usize]) -> f64 {
        let left = (self.price)(&counts(self.strands, levels, self.groups));
        (self.whole as f64 - left as f64) / self.whole.max(1) as f64
    }
}

/// How many units are gone of each group.
pub(super) fn counts(strands: &[Strand], levels: &[usize], groups: usize) -> Vec<usize> {
    let mut counts = vec![0; groups];
    for (strand, &level) in strands.iter().zip(levels) {
        for (cell, n) in strand.cells.iter().zip(&strand.levels[level]) {
            counts[cell.group] += n;
        }
    }
    counts
}
