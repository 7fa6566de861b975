//! The report as a page: self-contained, well formed, and safe from what a model's file says.

use secateur::Model;
use secateur::report::html::{escape, page};

use crate::cli::{Folder, fails, model, run, text};
use crate::support::foreign;

/// Every tag that is opened is closed, in order.
fn assert_well_formed(html: &str) {
    let mut open: Vec<String> = Vec::new();
    for part in html.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '>']).next().unwrap().to_owned();
        match name.as_str() {
            "!doctype" | "meta" => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_stands_alone_and_says_what_the_text_says() {
    let f = Folder::new();
    let (json, html) = (f.path("r.json"), f.path("r.html"));
    let args = ["prune", &model(), "-o", &f.path("s.onnx"), "--rate", "0.3", "--report", &json, "--report", &html];
    assert!(run(&[&args[..], &["--gate", "flops_cut>=0.1"]].concat()).status.success());
    let shown = std::fs::read_to_string(&html).unwrap();
    assert_well_formed(&shown);
    for words in [
        "-46.3 %",
        "/stem/Conv",
        "verified: ",
        "flops_cut&gt;=0.1",
        "advice: ",
        "against the original",
        "<td class=\"n\">12</td>",
    ] {
        assert!(shown.contains(words), "{words}");
    }
    for foreign in ["http", "<script", "src=", "url(", "@import", "<link"] {
        assert!(!shown.contains(foreign), "{foreign}");
    }
    let report = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(page(&report), shown);
    assert!(run(&["compare", &model(), &f.path("s.onnx"), "--report", &html]).status.success());
    assert_well_formed(&std::fs::read_to_string(&html).unwrap());
}

#[test]
fn a_refused_model_gets_its_page() {
    let f = Folder::new();
    let html = f.path("r.html");
    let args =
        ["prune", &model(), "-o", &f.path("s.onnx"), "--rate", "0.3", "--report", &html, "--gate", "params_cut>=0.9"];
    assert_eq!(run(&args).status.code(), Some(3));
    let shown = std::fs::read_to_string(&html).unwrap();
    assert!(shown.contains("refused: the gate params_cut&gt;=0.9 does not hold"), "{shown}");
    assert_eq!(f.names(), ["r.html"]);
}

#[test]
fn names_cannot_leave_their_cell() {
    let name = "/a<script>alert('x')</script>&\"\u{1b}[2J\u{202e}";
    let f = Folder::new();
    let mut proto = foreign().into_proto();
    proto.graph.as_mut().unwrap().node.iter_mut().for_each(|n| n.name = Some(format!("{name}{}", n.op_type())));
    let input = f.write("hostile.onnx", &Model::new(proto).unwrap().encode());
    let html = f.path("r.html");
    let args = ["prune", &input, "-o", &f.path("s.onnx"), "--rate", "0.5", "--allow-unverified", "--report", &html];
    let out = run(&args);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let shown = std::fs::read_to_string(&html).unwrap();
    assert_well_formed(&shown);
    assert!(
        shown.contains("/a&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;") && !shown.contains("<script")
    );
    assert!(!shown.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'));
    assert_eq!(escape("<&>"), "&lt;&amp;&gt;");
}

#[test]
fn other_endings_are_refused() {
    for args in [&["prune", "a.onnx", "-o", "b.onnx", "--rate", "0.3"][..], &["compare", "a.onnx", "b.onnx"]] {
        fails(&[args, &["--report", "r.txt"]].concat(), 2, &["r.txt", ".json or .html"]);
    }
}
