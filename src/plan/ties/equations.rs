//! Small systems of linear constraints over bounded integers, solved by narrowing bounds and by search.

/// Choices tried before a system is given up.
const MOST_CHOICES: usize = 4000;

/// `least <= sum of factor * unknown <= most`.
#[derive(Debug, Clone)]
pub(super) struct Equation {
    /// Unknowns with their factors.
    pub terms: Vec<(usize, i64)>,
    /// Least value of the sum.
    pub least: i64,
    /// Largest value of the sum.
    pub most: i64,
}

/// Unknowns between bounds, and what they must satisfy.
#[derive(Debug, Clone, Default)]
pub(super) struct System {
    bounds: Vec<(i64, i64)>,
    /// What must hold.
    pub equations: Vec<Equation>,
}

impl System {
    /// A new unknown between two bounds.
    pub(super) fn unknown(&mut self, low: i64, high: i64) -> usize {
        self.bounds.push((low, high));
        self.bounds.len() - 1
    }

    /// A solution: later unknowns are fixed first, each at the largest value that the others allow; `None` where none was found.
    pub(super) fn solve(&self) -> Option<Vec<i64>> {
        let mut choices = MOST_CHOICES;
        self.search(self.bounds.clone(), &mut choices)
    }

    fn search(&self, mut bounds: Vec<(i64, i64)>, choices: &mut usize) -> Option<Vec<i64>> {
        if !self.narrow(&mut bounds) {
            return None;
        }
        let Some(open) = (0..bounds.len()).rev().find(|&i| bounds[i].0 < bounds[i].1) else {
            return Some(bounds.into_iter().map(|b| b.0).collect());
        };
        for value in (bounds[open].0..=bounds[open].1).rev() {
            *choices = choices.checked_sub(1)?;
            let mut tried = bounds.clone();
            tried[open] = (value, value);
            if let Some(found) = self.search(tried, choices) {
                return Some(found);
            }
        }
        None
    }

    /// Narrows bounds until nothing changes; false where they contradict each other.
    fn narrow(&self, bounds: &mut [(i64, i64)]) -> bool {
        loop {
            let before = bounds.to_vec();
            if !self.equations.iter().all(|equation| equation.narrow(bounds)) {
                return false;
            }
            if before == bounds {
                return true;
            }
        }
    }
}

impl Equation {
    /// Narrows each unknown to what the others leave; false where that is nothing.
    fn narrow(&self, bounds: &mut [(i64, i64)]) -> bool {
        self.terms.iter().all(|&(i, factor)| {
            let (low, high) = range(self, bounds);
            let (a, b) = (factor * bounds[i].0, factor * bounds[i].1);
            let (least, most) = (self.least - (high - a.max(b)), self.most - (low - a.min(b)));
            let (from, to) = if factor > 0 {
                (div_ceil(least, factor), most.div_euclid(factor))
            } else {
                (div_ceil(-most, -factor), (-least).div_euclid(-factor))
            };
            bounds[i] = (bounds[i].0.max(from), bounds[i].1.min(to));
            bounds[i].0 <= bounds[i].1
        })
    }
}

fn range(equation: &Equation, bounds: &[(i64, i64)]) -> (i64, i64) {
    equation.terms.iter().fold((0, 0), |(low, high), &(i, factor)| {
        let (a, b) = (factor * bounds[i].0, factor * bounds[i].1);
        (low + a.min(b), high + a.max(b))
    })
}

/// The quotient rounded up, for a positive divisor.
fn div_ceil(a: i64, b: i64) -> i64 {
    -(-a).div_euclid(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[usize], total: usize) -> Equation {
        let mut terms: Vec<(usize, i64)> = terms.iter().map(|&t| (t, 1)).collect();
        terms.push((total, -1));
        Equation { terms, least: 0, most: 0 }
    }

    #[test]
    fn equal_sums_as_large_as_the_bounds_allow() {
        let mut s = System::default();
        (0..4).for_each(|k| _ = s.unknown(0, 3 + k));
        let t = s.unknown(0, 9);
        s.equations = vec![sum(&[0, 1], t), sum(&[2, 3], t)];
        let found = s.solve().unwrap_or_default();
        assert_eq!((found[0] + found[1], found[2] + found[3], found[t]), (7, 7, 7));
    }

    #[test]
    fn a_transport_between_rows_and_columns() {
        let mut s = System::default();
        (0..9).for_each(|_| _ = s.unknown(1, 3));
        let (rows, columns) = (s.unknown(0, 20), s.unknown(0, 6));
        for k in 0..3 {
            s.equations.push(sum(&[3 * k, 3 * k + 1, 3 * k + 2], rows));
            s.equations.push(sum(&[k, 3 + k, 6 + k], columns));
        }
        assert_eq!(s.solve().map(|f| (f[rows], f[columns])), Some((6, 6)));
    }

    #[test]
    fn contradictions_have_no_solution() {
        let mut s = System::default();
        let (a, b) = (s.unknown(0, 1), s.unknown(3, 4));
        s.equations.push(Equation { terms: vec![(a, 1), (b, -1)], least: 0, most: 0 });
        assert_eq!(s.solve(), None);
    }
}
