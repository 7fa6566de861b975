//! What `prune` and `plan` take to choose what goes.

use clap::{ArgGroup, Args, ValueEnum};
use secateur::pipeline::{Allocate, Rank};
use secateur::plan::{Budget, Choice, Limits, Scope};

use super::Failure;
use super::ranking::RankingOpts;

/// How much goes, of what, in which order.
#[derive(Debug, Args)]
#[command(next_help_heading = "What goes", group = ArgGroup::new("how_much").multiple(false))]
pub(super) struct Choosing {
    /// The paper's pruning rate: this share of the units of every group goes, rounded down. 0 < R < 1.
    #[arg(long, value_name = "R", group = "how_much")]
    rate: Option<f64>,
    /// At least this share of the multiply-adds goes, and as little more as single channels allow.
    #[arg(long, value_name = "R", group = "how_much")]
    cut_flops: Option<f64>,
    /// At least this share of the parameters goes, and as little more as single channels allow.
    #[arg(long, value_name = "R", group = "how_much")]
    cut_params: Option<f64>,
    /// Remove only what changes nothing: units that are zero, constant (folded into biases) or unread.
    #[arg(long, group = "how_much", conflicts_with = "allow_inexact")]
    lossless: bool,
    /// How a budget is split over the groups: at one rate for all, or by the error that each group's cut makes at the outputs, measured on
    /// samples. Default: error where there is --calibrate or images are made up, and the result is healed; else uniform.
    #[arg(long, value_name = "HOW")]
    allocate: Option<AllocateName>,
    /// `inner` leaves residual streams alone.
    #[arg(long, default_value = "all")]
    scope: ScopeName,
    /// Leaves nodes as they are, with all that is coupled to them (`*`: any characters, `?`: one; repeatable).
    #[arg(long, value_name = "GLOB")]
    keep: Vec<String>,
    /// Takes filters of these nodes only (repeatable); `a..b`: of the nodes between two values.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Gives nodes a rate of their own (repeatable; the last that fits holds).
    #[arg(long, value_name = "GLOB=R", value_parser = rate_for)]
    rate_for: Vec<(String, f64)>,
    /// The width of every layer that is cut ends as a multiple of N.
    #[arg(long, value_name = "N")]
    round_to: Option<usize>,
    /// No group loses a larger share of its channels. Default: 0.9 for budgets, none for --rate.
    #[arg(long, value_name = "R")]
    max_rate: Option<f64>,
    #[command(flatten)]
    ranking: RankingOpts,
    /// Also cut channels of which the removal changes a statistic (a mean over channels, say): the proof sets them aside.
    #[arg(long)]
    allow_inexact: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AllocateName {
    Uniform,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeName {
    All,
    Inner,
}

const NO_BUDGET: &str = "say how much is to go: --rate 0.3 (this share of the channels of every group), --cut-flops 0.3 or \
                         --cut-params 0.3 (this share of the multiply-adds or parameters), or --lossless (what changes nothing)";

impl Choosing {
    /// The choice. Errors where nothing says how much is to go.
    pub(super) fn choice(&self, seed: u64) -> Result<Choice, Failure> {
        let budget = self.budget()?;
        Ok(Choice {
            budget,
            scope: if self.scope == ScopeName::Inner { Scope::Inner } else { Scope::All },
            ranking: self.ranking.ranking(budget, seed)?,
            limits: Limits {
                keep: self.keep.clone(),
                only: self.only.clone(),
                rate_for: self.rate_for.clone(),
                round_to: self.round_to,
                max_rate: self.max_rate,
            },
            allow_inexact: self.allow_inexact,
        })
    }

    /// Who chooses the criterion.
    pub(super) fn rank(&self) -> Rank {
        self.ranking.rank()
    }

    /// How a budget is split.
    pub(super) fn allocate(&self) -> Allocate {
        match self.allocate {
            None => Allocate::Auto,
            Some(AllocateName::Uniform) => Allocate::Uniform,
            Some(AllocateName::Error) => Allocate::Error,
        }
    }

    fn budget(&self) -> Result<Budget, Failure> {
        let given = [
            self.rate.map(Budget::Rate),
            self.cut_flops.map(Budget::CutFlops),
            self.cut_params.map(Budget::CutParams),
            self.lossless.then_some(Budget::Lossless),
        ];
        let budget = given.into_iter().flatten().next().ok_or_else(|| Failure::Usage(NO_BUDGET.into()))?;
        budget.check()?;
        Ok(budget)
    }
}

/// `GLOB=R`; the glob may hold `=`.
fn rate_for(text: &str) -> Result<(String, f64), String> {
    let parts = text.rsplit_once('=').filter(|p| !p.0.is_empty());
    let rate = parts.and_then(|(glob, rate)| Some((glob.to_owned(), rate.trim().parse().ok()?)));
    rate.ok_or_else(|| "expected GLOB=R, as in '*/conv2/*=0.5'".into())
}
