//! Tests from outside: what a user of the library or the command can see.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod aliases;
mod allocation;
mod arithmetic;
mod budget;
mod cli;
mod compare;
mod criteria;
mod data;
mod explain;
mod exports;
mod files;
mod gates;
mod generated;
mod grouped;
mod heal;
mod heal_cli;
mod healed;
mod html;
mod inexact;
mod lossless;
mod mutation;
mod ops;
mod oracle;
mod paper;
mod samples;
mod smith;
mod soft;
mod soft_cli;
mod support;
mod tidy;
mod traps;
mod unknown;
mod zoo;
