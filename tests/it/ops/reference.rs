//! The reference of operators says what the table of rules says.

use std::fmt::Write;
use std::path::PathBuf;

use secateur::op::{NOT_FOLLOWED, RULES};

const HEAD: &str = "# Operators

Made from the table of rules (`RULES` in `src/op.rs`) by `BLESS=1 cargo test --release --test it reference`.

A family is a file of `src/op/`, where its formula is explained and ONNX's own page is named. An axis that no rule speaks of stays whole,
and so does all that an operator without a rule touches; `secateur inspect` names the node and the reason. The judge compares what every
contraction makes, and puts its masks on what contractions read; everything else is judged by what reads it.

| operators | formula | can shrink | judged |
|---|---|---|---|
";

const REASONS: &str = "
## Not followed

All axes of these operators stay whole.

| operator | because it |
|---|---|
";

#[test]
fn the_reference_of_operators_is_current() {
    let mut text = String::from(HEAD);
    for rule in RULES {
        let (ops, s) = (rule.op_types().join(", "), rule.summary());
        let _ = writeln!(text, "| {ops} | {} | {} | {} |", s.formula, s.shrinks, s.judged);
    }
    text.push_str(REASONS);
    for (op, reason) in NOT_FOLLOWED {
        let _ = writeln!(text, "| {op} | {reason} |");
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/operators.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "docs/operators.md is out of date: BLESS=1 cargo test --release --test it reference");
}
