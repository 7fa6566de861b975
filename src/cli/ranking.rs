//! How units are ranked, as options: the criteria come from the library's table.

use clap::builder::PossibleValuesParser;
use secateur::pipeline::Rank;
use secateur::plan::Budget;
use secateur::score::{self, CRITERIA, Criterion, Ranking, Setting};

use super::Failure;

/// How units are ranked.
#[derive(Debug, clap::Args)]
pub(super) struct RankingOpts {
    #[arg(long, value_name = "NAME", value_parser = names(), help = help(), hide_possible_values = true)]
    criterion: Option<String>,
    /// With norm-then-median: the share of the units that goes by smallest norm; a part of --rate. 0 <= P < 1 [default: 0]
    #[arg(long, value_name = "P")]
    norm_rate: Option<f64>,
}

fn names() -> PossibleValuesParser {
    CRITERIA.iter().map(|c| c.name()).collect::<Vec<_>>().into()
}

fn help() -> String {
    let line = |c: &&dyn Criterion| format!("\n- {}: {}", c.name(), c.summary());
    let default = "[default: geometric-median; where a budget is split by error: optimal-brain-surgeon with --calibrate, and without, where no \
                   BatchNormalization stands behind the filters, surgeon-and-median]";
    format!("How units are ranked {default}:{}", CRITERIA.iter().map(line).collect::<String>())
}

impl RankingOpts {
    /// Who chooses the criterion.
    pub(super) fn rank(&self) -> Rank {
        if self.criterion.is_some() { Rank::AsChosen } else { Rank::Auto }
    }

    /// The ranking that the options ask for, where that much is to go.
    pub(super) fn ranking(&self, budget: Budget, seed: u64) -> Result<Ranking, Failure> {
        let criterion = self.criterion.as_deref().map_or(Ok(CRITERIA[0]), score::criterion)?;
        let ranking = Ranking { norm_rate: self.norm_rate.unwrap_or(0.0), seed, ..Ranking::by(criterion) };
        if self.norm_rate.is_some() && !ranking.looks_at(Setting::NormRate) {
            return Err(Failure::Usage("--norm-rate is for --criterion norm-then-median".into()));
        }
        if let Budget::Rate(rate) = budget {
            ranking.check_at(rate)?;
        }
        Ok(ranking)
    }
}
