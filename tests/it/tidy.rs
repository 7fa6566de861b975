//! The shape of the source: who may import whom, file headers, file lengths.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each module of the library may import; every module may import `error` and itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("divergence", &[]),
    ("parallel", &[]),
    ("model", &[]),
    ("runtime", &["model"]),
    ("data", &["model"]),
    ("shape", &["model", "runtime"]),
    ("op", &["model", "shape"]),
    ("cost", &["model", "shape", "op"]),
    ("couple", &["model", "shape", "op"]),
    ("lossless", &["model", "couple", "op"]),
    ("score", &["parallel", "model", "couple", "op"]),
    ("plan", &["model", "op", "cost", "couple", "lossless", "score"]),
    ("cut", &["model", "couple", "lossless", "plan", "op"]),
    ("heal", &["divergence", "parallel", "model", "cost", "runtime", "cut"]),
    ("verify", &["divergence", "parallel", "model", "runtime"]),
    ("report", &[]),
    ("build", &["model"]),
    (
        "pipeline",
        &[
            "model",
            "runtime",
            "shape",
            "op",
            "cost",
            "couple",
            "lossless",
            "score",
            "plan",
            "cut",
            "heal",
            "verify",
            "report",
            "data",
            "divergence",
            "parallel",
        ],
    ),
];

/// Longest file, in lines.
const LONGEST: usize = 450;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join(folder), &mut out);
    out.sort();
    out
}

/// The top module that a file of `src` belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Top modules that a file names behind `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    let names = text.split("crate::").skip(1);
    names.map(|t| t.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn modules_import_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for path in sources("src").into_iter().filter(|p| !p.ends_with("tests.rs")) {
        let from = module(&path);
        let Some((_, allowed)) = LAYERS.iter().find(|l| l.0 == from) else { continue };
        for to in imports(&std::fs::read_to_string(&path).unwrap()) {
            let known = LAYERS.iter().any(|l| l.0 == to);
            if known && to != from && to != "error" && !allowed.contains(&to.as_str()) {
                wrong.push(format!("{} imports {to}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_layer() {
    let other = ["lib", "main", "cli"];
    let missing: BTreeSet<String> = sources("src")
        .iter()
        .map(|p| module(p))
        .filter(|m| !other.contains(&m.as_str()) && LAYERS.iter().all(|l| l.0 != m))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_file_says_why_it_exists_and_is_short() {
    for path in ["src", "tests", "examples"].iter().flat_map(|f| sources(f)).chain([root().join("build.rs")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
        assert!(text.lines().count() <= LONGEST, "{} has more than {LONGEST} lines", path.display());
    }
}

#[test]
fn one_owner_for_each_package() {
    let owners = [
        ("tract_onnx", "runtime"),
        ("petgraph", "couple"),
        ("clap", "cli"),
        ("memmap2", "model"),
        ("comfy_table", "report"),
        ("ndarray_npy", "data"),
        ("image", "data"),
        ("faer", "heal"),
        ("indicatif", "cli"),
    ];
    for path in sources("src") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (package, owner) in owners {
            assert!(
                !text.contains(&format!("{package}::")) || module(&path) == owner,
                "{} names {package}, which {owner} owns",
                path.display()
            );
        }
    }
}
