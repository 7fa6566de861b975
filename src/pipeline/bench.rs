//! How long two models take in the runtime: runs of the one and the other in turn, so that what else the machine does meets both.

use std::time::Instant;

use super::evaluate::Beside;
use crate::error::Result;
use crate::model::Tensor;
use crate::report::Latency;
use crate::verify::Pair;

/// Runs that are not counted: the first one of a plan reserves its memory.
const WARM_UP: usize = 2;

/// Latency at batch 1 on one thread, before and after in turn (A B A B); the note says where copies were run. Errors where the runtime
/// cannot run one of the models.
pub(super) fn latency(beside: Beside<'_>, runs: usize) -> Result<(Latency, Option<String>)> {
    let (before, after, feeds) = (beside.before, beside.after, &beside.shapes.feeds);
    let (pair, note) = match Pair::load_as_stored(before, after, feeds, usize::MAX)
        .and_then(|p| timed(&p, beside.seed, 1).map(|_| p))
    {
        Ok(pair) => (pair, None),
        Err(_) => {
            let note = "latency is of float32 copies: the runtime does not run the models as they are";
            (Pair::load(before, after, feeds, usize::MAX)?, Some(note.to_owned()))
        }
    };
    timed(&pair, beside.seed, WARM_UP)?;
    let [a, b] = timed(&pair, beside.seed, runs.max(1))?;
    Ok((Latency::of(a, b), note))
}

/// Milliseconds of each run.
fn timed(pair: &Pair, seed: u64, runs: usize) -> Result<[Vec<f64>; 2]> {
    let x = pair.seeded(seed);
    let one = |run: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>| -> Result<f64> {
        let start = Instant::now();
        run(&x)?;
        Ok(1e3 * start.elapsed().as_secs_f64())
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        times[0].push(one(&|x| pair.run_before(x))?);
        times[1].push(one(&|x| pair.run_after(x))?);
    }
    Ok(times)
}
