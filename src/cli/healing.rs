//! Healing as an option: the methods come from the library's table.

use clap::Args;
use clap::builder::PossibleValuesParser;
use secateur::heal::{METHODS, Method};
use secateur::pipeline::{Heal, How};

use super::Failure;
use super::progress::Progress;

/// Whether a cut model is healed, and how.
#[derive(Debug, Args)]
pub(super) struct HealOpts {
    #[arg(long, value_name = "HOW", value_parser = names(), help = help(), hide_possible_values = true)]
    heal: Option<String>,
}

fn names() -> PossibleValuesParser {
    ["none"].into_iter().chain(METHODS.iter().map(|m| m.name())).collect::<Vec<_>>().into()
}

fn help() -> String {
    let line = |m: &&dyn Method| format!("\n- {}: {}", m.name(), m.summary());
    format!(
        "How the cut network is healed, never for the worse. Default: reconstruct, on --calibrate or else on images made up where the input takes \
         images; fold where it takes none. What is soft, lossless or not cut is not healed:\n- none: kept values stay, bit for bit{}",
        METHODS.iter().map(line).collect::<String>()
    )
}

impl HealOpts {
    /// What is to be done, and who hears how far it is.
    pub(super) fn heal(&self, progress: &Progress) -> Result<Heal, Failure> {
        let how = self.heal.as_deref().map_or(Ok(How::Auto), How::named)?;
        Ok(Heal { how, watcher: progress.watcher() })
    }
}
