//! Models in several files, in pipes and too large for one message: what is read, what is refused, and what appears on disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use secateur::build::{Conv, GraphBuilder};
use secateur::model::proto::tensor_proto::DataLocation;
use secateur::model::proto::{StringStringEntryProto, TensorProto};
use secateur::model::write::{Layout, data_beside, write_beside};
use secateur::{Error, Model};
use tempfile::TempDir;

/// Two convolutions with weights of more than a page.
fn network() -> Model {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 8, 6, 6]);
    let y = g.conv(&x, "a", Conv::square(32, 3).pad(1));
    let y = g.conv(&y, "b", Conv::square(24, 3).pad(1));
    g.output(&y);
    g.model().unwrap()
}

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) }
}

fn external(t: &mut TensorProto, entries: &[(&str, &str)]) {
    t.raw_data = None;
    t.data_location = Some(DataLocation::External.into());
    t.external_data = entries.iter().map(|(k, v)| entry(k, v)).collect();
}

/// The network with the weights of its first convolution told to lie where these entries say.
fn told(folder: &Path, entries: &[(&str, &str)]) -> Result<Model, Error> {
    let mut proto = network().into_proto();
    let t = proto.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.name() == "a.weight").unwrap();
    external(t, entries);
    let path = folder.join("m.onnx");
    std::fs::write(&path, Model::new(proto).unwrap().encode()).unwrap();
    Model::read(&path)
}

fn weight(model: &Model, name: &str) -> Vec<u8> {
    model.graph_proto().initializer.iter().find(|t| t.name() == name).unwrap().raw_data().to_vec()
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_secateur")).args(args).env("NO_COLOR", "1").output().unwrap()
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn weights_may_lie_in_several_files_at_any_offset() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let mut proto = network().into_proto();
    for (k, t) in proto.graph.as_mut().unwrap().initializer.iter_mut().enumerate() {
        let (raw, file) = (t.raw_data().to_vec(), format!("sub/part{}", k % 2));
        let path = folder.path().join(&file);
        let before = std::fs::read(&path).unwrap_or_default();
        std::fs::write(&path, [before.clone(), vec![9; 5], raw.clone()].concat()).unwrap();
        let (offset, length) = ((before.len() + 5).to_string(), raw.len().to_string());
        external(t, &[("location", &file), ("offset", &offset), ("length", &length)]);
    }
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, Model::new(proto).unwrap().encode()).unwrap();
    let read = Model::read(&path).unwrap();
    assert_eq!(read.proto(), network().proto());
    assert_eq!(read.origin().data, ["sub/part0", "sub/part1"].map(|p| folder.path().join(p)));
}

#[test]
fn without_a_length_a_tensor_takes_what_its_dims_say() {
    let folder = tempfile::tempdir().unwrap();
    let raw = weight(&network(), "a.weight");
    std::fs::write(folder.path().join("w"), [&raw[..], &[1; 100]].concat()).unwrap();
    assert_eq!(weight(&told(folder.path(), &[("location", "w")]).unwrap(), "a.weight"), raw);
}

#[test]
fn what_is_not_there_or_not_inside_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), [0; 100]).unwrap();
    let absolute = folder.path().join("short").to_string_lossy().into_owned();
    let wrong: [(&[(&str, &str)], &str); 9] = [
        (&[], "no location given"),
        (&[("location", "")], "no location given"),
        (&[("location", "gone")], "put the file beside the model"),
        (&[("location", "short")], "ends at byte 100"),
        (&[("location", "short"), ("offset", "18446744073709551615"), ("length", "2")], "ends at byte 100"),
        (&[("location", "short"), ("offset", "-1")], "'-1' is no number"),
        (&[("location", "../short")], "outside of the model's folder"),
        (&[("location", &absolute)], "outside of the model's folder"),
        (&[("location", ".")], "no regular file"),
    ];
    for (entries, reason) in wrong {
        let error = told(folder.path(), entries).unwrap_err().to_string();
        assert!(error.contains("'a.weight'") && error.contains(reason), "{entries:?}: {error}");
    }
}

#[test]
fn a_model_in_a_pipe_has_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let raw = weight(&network(), "a.weight");
    std::fs::write(folder.path().join("w"), raw).unwrap();
    told(folder.path(), &[("location", "w")]).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .args(["inspect", "-"])
        .current_dir(folder.path())
        .stdin(std::fs::File::open(folder.path().join("m.onnx")).unwrap())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(said(&out).contains("name the model's file") && said(&out).contains("'w'"), "{}", said(&out));
}

#[test]
fn weights_go_to_a_file_of_their_own_where_the_model_is_too_large_for_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let (model, target) = (network(), folder.path().join("out.onnx"));
    let small = Layout { largest: 5000, ..Layout::default() };
    write_beside(&model, &target, small).unwrap().commit(false).unwrap();
    assert_eq!(names(&folder), ["out.onnx", "out.onnx.data"]);
    assert!(std::fs::metadata(&target).unwrap().len() < 5000);
    let read = Model::read(&target).unwrap();
    assert_eq!(read.proto(), model.proto());
    assert_eq!(read.origin().data, [data_beside(&target)]);
    let tiny = Layout { largest: 100, ..Layout::default() };
    let error = write_beside(&model, &folder.path().join("t.onnx"), tiny).unwrap_err().to_string();
    assert!(error.contains("even without its weights"), "{error}");
    write_beside(&model, &folder.path().join("whole.onnx"), Layout::default()).unwrap().commit(false).unwrap();
    assert_eq!(names(&folder), ["out.onnx", "out.onnx.data", "whole.onnx"], "a model that fits is one file");
}

#[test]
fn tensors_begin_at_pages_and_the_location_is_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out.onnx");
    let beside = Layout { external: true, ..Layout::default() };
    write_beside(&network(), &target, beside).unwrap().commit(false).unwrap();
    use prost::Message;
    let proto = secateur::model::ModelProto::decode(&*std::fs::read(&target).unwrap()).unwrap();
    let mut moved = 0;
    for t in &proto.graph.unwrap().initializer {
        let get = |key: &str| t.external_data.iter().find(|e| e.key() == key).map(|e| e.value().to_owned());
        if t.data_location() == DataLocation::External {
            assert_eq!(get("location").as_deref(), Some("out.onnx.data"));
            assert_eq!(get("offset").unwrap().parse::<u64>().unwrap() % 4096, 0);
            moved += 1;
        } else {
            assert!(t.raw_data().len() < 1024, "{} stays", t.name());
        }
    }
    assert_eq!(moved, 2);
}

#[test]
fn the_two_files_appear_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (target, data) = (folder.path().join("out.onnx"), folder.path().join("out.onnx.data"));
    let beside = Layout { external: true, ..Layout::default() };
    let write = |replace| write_beside(&network(), &target, beside).unwrap().commit(replace);
    std::fs::write(&data, b"precious").unwrap();
    assert!(write(false).unwrap_err().to_string().contains("out.onnx.data"));
    assert_eq!(
        (names(&folder), std::fs::read(&data).unwrap()),
        (vec!["out.onnx.data".to_owned()], b"precious".to_vec())
    );
    std::fs::remove_file(&data).unwrap();
    std::fs::write(&target, b"precious").unwrap();
    write(false).unwrap_err();
    assert_eq!((names(&folder), std::fs::read(&target).unwrap()), (vec!["out.onnx".to_owned()], b"precious".to_vec()));
    std::fs::write(&data, b"old").unwrap();
    write(true).unwrap();
    assert_eq!(names(&folder), ["out.onnx", "out.onnx.data"]);
    assert_eq!(Model::read(&target).unwrap().proto(), network().proto());
    drop(write_beside(&network(), &target, beside).unwrap());
    assert_eq!(names(&folder), ["out.onnx", "out.onnx.data"], "what is not committed leaves nothing");
}

#[test]
fn the_command_writes_reads_and_proves_external_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    std::fs::write(path("m.onnx"), network().encode()).unwrap();
    let (m, s, t) = (path("m.onnx"), path("s.onnx"), path("t.onnx"));
    let prune = |from: &Path, to: &Path, more: &[&str]| {
        run(&[&["prune", text(from), "-o", text(to), "--rate", "0.3"], more].concat())
    };
    let out = prune(&m, &s, &["--external-data"]);
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("verified: "), "{}", said(&out));
    assert_eq!(names(&folder), ["m.onnx", "s.onnx", "s.onnx.data"]);
    assert!(prune(&s, &t, &[]).status.success(), "it is a good input again");
    assert_eq!(names(&folder), ["m.onnx", "s.onnx", "s.onnx.data", "t.onnx"]);
    std::fs::write(path("u.onnx.data"), b"precious").unwrap();
    let out = prune(&m, &path("u.onnx"), &["--external-data"]);
    assert!(out.status.code() == Some(1) && said(&out).contains("u.onnx.data: exists already"), "{}", said(&out));
    let out = prune(&m, Path::new("-"), &["--external-data"]);
    assert!(out.status.code() == Some(2) && said(&out).contains("stdout holds one file"), "{}", said(&out));
}

#[test]
fn no_part_of_the_input_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("m.onnx");
    let beside = Layout { external: true, ..Layout::default() };
    write_beside(&network(), &target, beside).unwrap().commit(false).unwrap();
    std::fs::rename(&target, folder.path().join("other.onnx")).unwrap();
    let other = folder.path().join("other.onnx");
    let before = std::fs::read(data_beside(&target)).unwrap();
    for out in [&target, &data_beside(&target)] {
        let done = run(&["prune", text(&other), "-o", text(out), "--rate", "0.3", "--force", "--external-data"]);
        assert!(done.status.code() == Some(2) && said(&done).contains("overwrite the input"), "{}", said(&done));
        assert_eq!(std::fs::read(data_beside(&target)).unwrap(), before);
    }
}
