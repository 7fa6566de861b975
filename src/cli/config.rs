//! `--config FILE.toml`: options from a file, under the names that they have on the command line.
//!
//! The file becomes arguments that stand before the user's own, and clap takes both for what they are. What an option is called, whether it
//! takes values and which others it excludes is clap's knowledge alone, so that every option works here without being listed again.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use secateur::Error;

use super::{Cli, Failure};

mod entries;

use entries::{Entry, Source, entries};

/// Takes the command line, and what the file that it names with `--config` adds. Ends the program where it is wrong, or asks for help.
pub(super) fn parse(line: Vec<OsString>) -> Result<Cli, Failure> {
    let mut line = line;
    let added = match file_of(&line) {
        Some(found) => found.add_to(&mut line)?,
        None => Vec::new(),
    };
    let matches = Cli::command().try_get_matches_from(line).and_then(|mut m| Cli::from_arg_matches_mut(&mut m));
    matches.or_else(|e| match blamed(&e, &added) {
        Some(failure) => Err(failure),
        None => e.exit(),
    })
}

/// A command line that names a file.
struct Found {
    path: PathBuf,
    /// The subcommand, and where it stands.
    command: String,
    at: usize,
    /// What the user says by himself.
    given: HashSet<String>,
}

/// The file that a command line names, if it does: what else is wrong with the line, clap says later.
fn file_of(line: &[OsString]) -> Option<Found> {
    let matches: ArgMatches = Cli::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    let (command, own) = matches.subcommand()?;
    let path = own.try_get_one::<PathBuf>("config").ok()??.clone();
    let by_user = |id: &&str| own.value_source(id) == Some(ValueSource::CommandLine);
    let given = own.ids().map(|id| id.as_str()).filter(by_user).map(Into::into).collect();
    let at = line.iter().position(|a| a == command)?;
    Some(Found { path, command: command.to_owned(), at, given })
}

impl Found {
    /// Puts the file's options before the user's, and returns them.
    fn add_to(&self, line: &mut Vec<OsString>) -> Result<Vec<Entry>, Failure> {
        let text = std::fs::read_to_string(&self.path).map_err(|e| Error::io(&self.path, &e))?;
        let mut cli = Cli::command();
        cli.build();
        let source = Source { path: &self.path, text: &text };
        let mut entries = entries(&cli, &self.command, &source)?;
        let command = cli.find_subcommand(&self.command);
        entries.retain(|e| command.is_some_and(|c| !self.overrides(c, &e.key)));
        let mut words = Vec::new();
        for entry in &entries {
            if let Some(arg) = command.and_then(|c| option(c, &entry.key)) {
                words.extend(entry.words(arg)?);
            }
        }
        line.splice(self.at + 1..self.at + 1, words);
        Ok(entries)
    }

    /// Whether the user says something that takes the place of this option: itself, or one that excludes it.
    fn overrides(&self, command: &Command, key: &str) -> bool {
        let Some(arg) = option(command, key) else { return false };
        let excludes = |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|c| c.get_id() == b.get_id());
        let alternative = |a: &Arg, b: &Arg| {
            command.get_groups().any(|g| {
                let holds = |x: &Arg| g.get_args().any(|id| id == x.get_id());
                !g.clone().is_multiple() && holds(a) && holds(b)
            })
        };
        let given = command.get_arguments().filter(|a| self.given.contains(a.get_id().as_str()));
        given
            .into_iter()
            .any(|g| g.get_id() == arg.get_id() || excludes(g, arg) || excludes(arg, g) || alternative(g, arg))
    }
}

/// The option of that name. What names the file itself, or ends the program, is none.
fn option<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    options(command).find(|a| a.get_long() == Some(key))
}

fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    let ends = |a: &Arg| {
        matches!(a.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version)
    };
    command.get_arguments().filter(move |a| a.get_long().is_some_and(|l| l != "config") && !ends(a))
}

/// The failure that a file's option is to blame for.
fn blamed(error: &clap::Error, added: &[Entry]) -> Option<Failure> {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = arg.trim_start_matches('-').split([' ', '=']).next()?;
    let entry = added.iter().find(|e| e.key == name)?;
    let text = error.to_string();
    let mut lines = text.lines();
    let reason = lines.next()?.trim_start_matches("error: ").to_owned();
    let possible = lines.next().filter(|l| l.starts_with("  [")).unwrap_or_default();
    Some(entry.fail(&format!("{reason}{}", possible.trim_start_matches(' ').replacen('[', " [", 1))))
}

/// A usage error at a line of a file.
fn at_line(path: &Path, line: usize, reason: &str) -> Failure {
    Failure::Usage(format!("{}:{line}: {reason}", path.display()))
}
