//! Criteria from the command line: names, shares and seeds, and what the report says of them.

use std::process::{Command, Output};

use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::report::Report;
use secateur::score::CRITERIA;

use crate::support::digits;

fn prune(model: &str, more: &[&str]) -> Output {
    let args = ["prune", model, "--dry-run", "--no-verify", "--heal", "none", "--json"];
    Command::new(env!("CARGO_BIN_EXE_secateur")).args(args).args(more).env("NO_COLOR", "1").output().unwrap()
}

fn digits_pruned(more: &[&str]) -> Output {
    prune(&digits().to_string_lossy(), more)
}

fn report(out: &Output) -> Report {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn the_plan_names_its_criterion_and_what_it_looked_at() {
    for c in CRITERIA {
        let plan = report(&digits_pruned(&["--rate", "0.3", "--criterion", c.name(), "--seed", "7"])).plan.unwrap();
        assert_eq!(plan.criterion, c.name());
        assert_eq!(plan.seed, (c.name() == "random").then_some(7));
        assert_eq!(plan.norm_rate, (c.name() == "norm-then-median").then_some(0.0));
    }
}

#[test]
fn criteria_choose_differently() {
    let of = |c: &str| report(&digits_pruned(&["--rate", "0.5", "--criterion", c])).plan.unwrap().groups;
    let all: Vec<_> = CRITERIA.iter().filter(|c| c.name() != "norm-then-median").map(|c| of(c.name())).collect();
    assert!((0..all.len()).all(|i| (0..i).all(|j| all[i] != all[j])));
    assert_eq!(of("norm-then-median"), of("geometric-median"), "a norm rate of 0 is no norm step");
}

/// Of 16, 32 and 64 units at R = 0.35 and P = 0.05: int(0.8) + int(4.8) = 4, floor(5.6) = 5; 1 + 9 = 10, 11; 3 + 19 = 22, 22.
#[test]
fn the_authors_counts_are_named_where_they_differ() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cifar_resnet(20, Shortcut::Projection, 0).unwrap().encode()).unwrap();
    let path = file.path().to_string_lossy();
    let mixed = ["--rate", "0.35", "--criterion", "norm-then-median", "--norm-rate", "0.05"];
    let found = report(&prune(&path, &mixed));
    let plan = found.plan.unwrap();
    assert_eq!(plan.norm_rate, Some(0.05));
    assert!(plan.groups.iter().all(|g| g.remove.len() == g.units * 35 / 100));
    let note = "the authors' code takes int(N P) by norm and int(N (R - P)) by distance, here floor(R N) go: \
                0 + 4 = 4, not 5, of N = 16 (4 groups); 1 + 9 = 10, not 11, of N = 32 (4 groups)";
    assert!(found.notes.iter().any(|n| n == note), "{:?}", found.notes);
    let same = report(&prune(&path, &["--rate", "0.25", "--criterion", "norm-then-median", "--norm-rate", "0.125"]));
    assert!(same.notes.iter().all(|n| !n.contains("authors")), "{:?}", same.notes);
    let own = report(&prune(&path, &[&mixed[..], &["--rate-for", "/layer1/*=0.5"]].concat()));
    assert!(own.notes.iter().all(|n| !n.contains("authors")), "groups have rates of their own: {:?}", own.notes);
}

#[test]
fn shares_by_norm_that_make_no_sense() {
    let mixed = |rate: &str, norm: &str| {
        let option = format!("--norm-rate={norm}");
        digits_pruned(&["--rate", rate, "--criterion", "norm-then-median", &option])
    };
    assert!(mixed("0.3", "0").status.success() && mixed("0.3", "0.3").status.success());
    let cases = [
        (mixed("0.3", "0.31"), "cannot exceed"),
        (mixed("0.3", "1"), "below 1"),
        (mixed("0.3", "-0.1"), "at least 0"),
        (mixed("0.3", "NaN"), "at least 0"),
        (digits_pruned(&["--rate", "0.3", "--norm-rate", "0"]), "norm-then-median"),
        (digits_pruned(&["--rate", "0.3", "--criterion", "l1", "--norm-rate", "0.1"]), "norm-then-median"),
        (digits_pruned(&["--rate", "0.3", "--criterion", "l3"]), "norm-then-median"),
    ];
    for (out, words) in cases {
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(2) && error.contains(words), "{words}: {error}");
    }
}
