//! What went and changed nothing, a line for each group.

use std::fmt::Write;

use super::name::short;
use super::number::plural;
use crate::report::LosslessGroup;

/// Groups that are listed where not all are.
const LISTED: usize = 12;

/// The lines.
pub(super) fn groups(groups: &[LosslessGroup], all: bool) -> String {
    let mut out = String::new();
    let listed = if all { groups.len() } else { groups.len().min(LISTED) };
    for group in &groups[..listed] {
        let counts = [("zero", &group.zero), ("constant", &group.constant), ("unread", &group.unread)];
        let parts: Vec<String> =
            counts.iter().filter(|c| !c.1.is_empty()).map(|(n, u)| format!("{} {n}", u.len())).collect();
        let _ = writeln!(out, "changed nothing: {} of {}", parts.join(", "), short(&group.name, all));
    }
    if groups.len() > listed {
        let _ =
            writeln!(out, "changed nothing: units of {} more (-v lists them)", plural(groups.len() - listed, "group"));
    }
    out
}
