//! Random networks, valid by construction, in the manner of a smith for fuzzing: each loses random units and is proved by two judges.
//!
//! `SECATEUR_CASES=5000` tries more of them, `SECATEUR_SEED=7` others. A network that fails is made smaller, and saved under `target/smith`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

mod families;
mod heads;
mod joins;
mod layouts;
mod net;
mod odd;
mod plain;
mod second;
mod site;
mod trial;

use heads::HEADS;
use net::{BLOCKS, Net};
use trial::{Outcome, trial};

/// Networks that are tried where nothing else is asked for.
const CASES: u64 = 300;

/// Kinds that need not be cut, each with what holds their channels.
const MAY_STAY_WHOLE: &[(&str, &str)] = &[];

/// Choices of units that a smaller network is tried with.
const CHOICES: u64 = 4;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn network(seed: u64) -> Net {
    Net::random(seed, &mut ChaCha8Rng::seed_from_u64(seed))
}

#[test]
fn random_networks_are_cut_right() {
    let (first, cases) = (setting("SECATEUR_SEED", 0) << 32, setting("SECATEUR_CASES", CASES));
    let outcomes: Vec<(Net, Result<Outcome, String>)> = (first..first + cases)
        .into_par_iter()
        .map(|seed| {
            let net = network(seed);
            let outcome = trial(&net, seed);
            (net, outcome)
        })
        .collect();
    let failed: Vec<String> = outcomes.iter().filter_map(|(n, o)| o.as_ref().err().map(|e| report(n, e))).collect();
    assert!(
        failed.is_empty(),
        "{} of {cases} networks fail:\n{}",
        failed.len(),
        failed[..failed.len().min(12)].join("\n")
    );
    let tally = Tally::of(&outcomes);
    eprintln!("{tally}");
    assert!(tally.cut * 10 > cases as usize * 8, "only {} of {cases} networks lost anything", tally.cut);
    assert!(tally.second * 10 > tally.cut * 6, "the second judge spoke of {} of {} only", tally.second, tally.cut);
    assert!(tally.free * 10 > tally.cut * 5, "only {} of {} networks lost zeros and constants", tally.free, tally.cut);
    let whole: Vec<&str> = tally.never_cut();
    assert!(whole.is_empty(), "these kinds were never cut: {whole:?}\n{tally}");
}

/// What all trials together came to.
#[derive(Default)]
struct Tally {
    cut: usize,
    units: usize,
    second: usize,
    /// Networks of which zero or constant units went and changed nothing.
    free: usize,
    /// By kind: networks that have it, and those in which a value or a weight of it lost something.
    kinds: BTreeMap<&'static str, (usize, usize)>,
}

impl Tally {
    fn of(outcomes: &[(Net, Result<Outcome, String>)]) -> Self {
        let mut tally = Self::default();
        for kind in BLOCKS.iter().chain(HEADS) {
            tally.kinds.entry(kind.0).or_default();
        }
        for (net, outcome) in outcomes {
            let Ok(outcome) = outcome else { continue };
            tally.cut += usize::from(outcome.units > 0);
            tally.units += outcome.units;
            tally.free += usize::from(outcome.free > 0);
            tally.second += usize::from(outcome.units > 0 && outcome.second);
            let touched: BTreeSet<&str> = outcome.removed.iter().filter_map(|r| kind_of(&r.value)).collect();
            for kind in net.kinds() {
                let entry = tally.kinds.entry(kind).or_default();
                entry.0 += 1;
                entry.1 += usize::from(touched.contains(kind));
            }
        }
        tally
    }

    fn never_cut(&self) -> Vec<&'static str> {
        let excused = |kind: &str| MAY_STAY_WHOLE.iter().any(|m| m.0 == kind);
        self.kinds.iter().filter(|(kind, n)| n.1 == 0 && !excused(kind)).map(|(kind, _)| *kind).collect()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} networks lost {} units; the second judge spoke of {}; zeros and constants went from {}",
            self.cut, self.units, self.second, self.free
        )?;
        self.kinds.iter().try_for_each(|(kind, (all, cut))| writeln!(f, "{kind:>18} cut in {cut} of {all}"))
    }
}

/// The kind of block that a value belongs to: values are named `/3_conv/...`, weights `3_conv.weight` or like values.
fn kind_of(value: &str) -> Option<&str> {
    let block = value.trim_start_matches('/').split(['/', '.']).next()?;
    Some(block.split_once('_')?.1)
}

/// A network that fails, the choice of its units, and how.
type Failure = (Net, u64, String);

/// The smallest network found that fails too.
fn shrunk((mut net, mut choice, mut error): Failure) -> Failure {
    let fails = |n: Net, first: u64| {
        let found = [first].into_iter().chain(0..CHOICES).find_map(|c| trial(&n, c).err().map(|e| (c, e)));
        found.map(|(c, e)| (n, c, e))
    };
    while let Some(smaller) = net.smaller().into_iter().find_map(|n| fails(n, choice)) {
        (net, choice, error) = smaller;
    }
    (net, choice, error)
}

/// Makes a failing network smaller, saves it, and says where.
fn report(net: &Net, error: &str) -> String {
    let (net, choice, error) = shrunk((net.clone(), net.seed, error.to_owned()));
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/smith");
    let path = folder.join(format!("{}.onnx", net.seed));
    let names: Vec<&str> = net.blocks.iter().map(|b| BLOCKS[b.kind].0).collect();
    let text = format!("{} {names:?} {}, choice {choice}: {error}\n{net:?}", path.display(), HEADS[net.head].0);
    std::fs::create_dir_all(&folder).unwrap();
    if let Ok(model) = std::panic::catch_unwind(|| net.model()) {
        std::fs::write(&path, model.encode()).unwrap();
    }
    std::fs::write(path.with_extension("txt"), &text).unwrap();
    text
}
