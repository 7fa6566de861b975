//! `secateur completions`: what a shell can complete.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::files::write_stdout;
use super::{Cli, Failure};

/// Print what lets a shell complete commands and options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur completions bash > ~/.local/share/bash-completion/completions/secateur
  secateur completions zsh > ~/.zfunc/_secateur
  secateur completions fish > ~/.config/fish/completions/secateur.fish

Exit status: 0 done; 2 usage.")]
pub(super) struct Opts {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(o.shell, &mut Cli::command(), "secateur", &mut script);
    write_stdout(&script)
}
