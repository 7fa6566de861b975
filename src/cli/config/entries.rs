//! What a configuration file says, checked against the options that there are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Failure, at_line, option, options};

/// A file's text.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

/// One option of a file.
pub(super) struct Entry {
    /// Its long name.
    pub(super) key: String,
    value: Value,
    path: PathBuf,
    line: usize,
}

/// What a file gives to an option.
enum Value {
    Switch(bool),
    One(String),
    Several(Vec<String>),
}

/// The options for a command: those at the top that it has, and those of its own table, which win. All tables are checked.
pub(super) fn entries(cli: &Command, command: &str, source: &Source<'_>) -> Result<Vec<Entry>, Failure> {
    let table = DeTable::parse(source.text)
        .map_err(|e| source.fail(e.span().map_or(0, |s| s.start), e.message().lines().next().unwrap_or_default()))?;
    let (mut top, mut own) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        let name: &str = key.get_ref();
        if let (DeValue::Table(inner), Some(sub)) = (value.get_ref(), cli.find_subcommand(name)) {
            let checked =
                inner.iter().map(|(key, value)| source.entry(sub, key, value)).collect::<Result<Vec<_>, _>>()?;
            if name == command {
                own = checked;
            }
        } else if matches!(value.get_ref(), DeValue::Table(_)) && holder(cli, command, name).is_none() {
            let near = near(name, cli.get_subcommands().map(Command::get_name));
            return Err(source.fail(key.span().start, &format!("there is no command '{name}'{near}")));
        } else if let Some(sub) = holder(cli, command, name) {
            let entry = source.entry(sub, key, value)?;
            if sub.get_name() == command {
                top.push(entry);
            }
        } else {
            let near = near(name, cli.get_subcommands().flat_map(options).filter_map(Arg::get_long));
            return Err(source.fail(key.span().start, &format!("there is no option '{name}'{near}")));
        }
    }
    top.retain(|t| own.iter().all(|o| o.key != t.key));
    top.extend(own);
    Ok(top)
}

/// The command at hand if it has the option, else one that does.
fn holder<'c>(cli: &'c Command, command: &str, key: &str) -> Option<&'c Command> {
    let mut holders: Vec<&Command> = cli.get_subcommands().filter(|c| option(c, key).is_some()).collect();
    holders.sort_by_key(|c| c.get_name() != command);
    holders.into_iter().next()
}

impl Source<'_> {
    fn entry(
        &self,
        command: &Command,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Entry, Failure> {
        let (name, at): (&str, usize) = (key.get_ref(), key.span().start);
        if option(command, name).is_none() {
            let near = near(name, options(command).filter_map(Arg::get_long));
            return Err(self.fail(at, &format!("'{}' has no option '{name}'{near}", command.get_name())));
        }
        let value = value_of(value.get_ref()).ok_or_else(|| {
            self.fail(at, &format!("'{name}' wants a text, a number, true or false, or a list of them"))
        })?;
        Ok(Entry { key: name.to_owned(), value, path: self.path.to_owned(), line: self.line(at) })
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|b| *b == b'\n').count()
    }

    fn fail(&self, at: usize, reason: &str) -> Failure {
        at_line(self.path, self.line(at), reason)
    }
}

impl Entry {
    /// The words that say it on a command line.
    pub(super) fn words(&self, arg: &Arg) -> Result<Vec<OsString>, Failure> {
        let flag = format!("--{}", self.key);
        let is_switch = !arg.get_action().takes_values();
        let values: Vec<&str> = match &self.value {
            Value::Switch(on) if is_switch => return Ok(on.then(|| flag.into()).into_iter().collect()),
            _ if is_switch => return Err(self.fail(&format!("'{}' is true or false", self.key))),
            Value::Switch(on) => vec![if *on { "true" } else { "false" }],
            Value::One(value) => vec![value],
            Value::Several(values) => values.iter().map(String::as_str).collect(),
        };
        let several = arg.get_num_args().is_some_and(|n| n.max_values() > 1);
        let words = match (values.len(), arg.get_value_delimiter()) {
            (0, _) => Vec::new(),
            (1, _) => vec![format!("{flag}={}", values[0])],
            _ if matches!(arg.get_action(), ArgAction::Append) && !several => {
                values.iter().map(|v| format!("{flag}={v}")).collect()
            }
            (_, Some(delimiter)) => vec![format!("{flag}={}", values.join(&delimiter.to_string()))],
            _ if several => std::iter::once(flag).chain(values.iter().map(ToString::to_string)).collect(),
            _ => return Err(self.fail(&format!("'{}' takes one value, not a list", self.key))),
        };
        Ok(words.into_iter().map(Into::into).collect())
    }

    pub(super) fn fail(&self, reason: &str) -> Failure {
        at_line(&self.path, self.line, reason)
    }
}

fn value_of(value: &DeValue<'_>) -> Option<Value> {
    if let DeValue::Boolean(on) = value {
        return Some(Value::Switch(*on));
    }
    match value {
        DeValue::Array(list) => list.iter().map(|v| text_of(v.get_ref())).collect::<Option<_>>().map(Value::Several),
        one => text_of(one).map(Value::One),
    }
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n.to_string()),
        DeValue::Float(x) => Some(x.to_string()),
        _ => None,
    }
}

/// The name that is nearest to a wrong one, as the end of a message; nothing where none is near.
fn near<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> String {
    let scored = names.map(|n| (strsim::damerau_levenshtein(&wrong.replace('_', "-"), n), n));
    let best = scored.filter(|(distance, n)| *distance <= 1 + n.len() / 4).min();
    best.map_or(String::new(), |(_, n)| format!("; did you mean '{n}'?"))
}
