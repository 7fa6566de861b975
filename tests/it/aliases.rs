//! Parameters of two names: where an exporter merges them, Identity gives one the other's numbers, or Transpose. A matrix stays one, whatever it
//! is called.

use secateur::Model;
use secateur::build::{GraphBuilder, Op, Val};
use secateur::cost;
use secateur::heal::{self, LayerError};
use secateur::model::proto::DataType;
use secateur::model::{ModelProto, Tensor};
use secateur::plan::Scope;
use secateur::verify::Status;

use crate::cli::{Folder, report};
use crate::oracle::{check, lost, prune};
use crate::support::{Analysed, network};

/// A matrix under its own name, or under two others, one of them another name of the other.
fn names(g: &mut GraphBuilder, w: &Val, twice: bool) -> [Val; 2] {
    if !twice {
        return [w.clone(), w.clone()];
    }
    let a = g.node(Op::new("Identity", "/other/name"), &[w], &w.dims.clone());
    let b = g.node(Op::new("Identity", "/third/name"), &[&a], &w.dims.clone());
    [a, b]
}

/// Twins behind different convolutions, and what of them is joined.
fn twins(twice: bool) -> Model {
    network(17, |g, x| {
        let w = g.weights("tied.weight", &[12, 16, 3, 3]);
        let [u, v] = names(g, &w, twice);
        let other = g.weights("other.weight", &[16, 16, 1, 1]);
        let y = g.node(Op::new("Conv", "/other"), &[x, &other], &x.dims.clone());
        let y = g.relu(&y, "/other/relu");
        let twin = |g: &mut GraphBuilder, x: &Val, w: &Val, name: &str| {
            let bias = g.uniform(&format!("{name}.bias"), &[12], -0.5, 0.5);
            let y = g.node(Op::new("Conv", name).ints("pads", &[1; 4]), &[x, w, &bias], &[1, 12, 8, 8]);
            g.relu(&y, &format!("{name}/relu"))
        };
        let (a, b) = (twin(g, x, &u, "/a"), twin(g, &y, &v, "/b"));
        g.concat(&[&a, &b], 1, "/cat")
    })
}

fn initializer(proto: &ModelProto, name: &str) -> Option<Tensor> {
    let stored = &proto.graph.as_ref()?.initializer;
    stored.iter().find(|t| t.name() == name).map(|t| Tensor::from_proto(t).unwrap())
}

fn identities(proto: &ModelProto) -> usize {
    proto.graph.iter().flat_map(|g| &g.node).filter(|n| n.op_type() == "Identity").count()
}

#[test]
fn a_matrix_of_several_names_is_cut_once() {
    let (one, several) = (prune(&twins(false)), prune(&twins(true)));
    assert_eq!(one.len(), several.len());
    assert!(one.iter().all(|(value, n)| lost(&several, value) == *n), "{one:?} {several:?}");
    assert_eq!(lost(&several, "tied.weight"), 6);
}

#[test]
fn what_stays_is_the_same_units_in_the_same_place() {
    let cut = |model: &Model| {
        let known = Analysed::new(model, &[]);
        let (coupling, gone) = known.choose(0.5, Scope::All);
        known.cut(&coupling, &gone).0
    };
    let (one, several) = (cut(&twins(false)), cut(&twins(true)));
    let weight = |proto: &ModelProto| initializer(proto, "tied.weight").unwrap();
    assert_eq!(weight(&one), weight(&several));
    assert_eq!(weight(&one).dims, [6, 8, 3, 3]);
    assert_eq!(
        (identities(&several), one.graph.unwrap().initializer.len()),
        (2, several.graph.unwrap().initializer.len())
    );
}

#[test]
fn parameters_are_counted_once() {
    let params = |model: &Model| {
        let known = Analysed::new(model, &[]);
        let facts = known.facts();
        cost::total(facts.graph, facts.constants, facts.dims).params
    };
    assert_eq!(params(&twins(false)), params(&twins(true)));
}

/// Half of every group cut and healed: the layers, and the model.
fn healed(model: &Model) -> (Vec<LayerError>, ModelProto) {
    let known = Analysed::new(model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (mut proto, removed) = known.cut(&coupling, &gone);
    let cut = Model::new(proto.clone()).unwrap();
    let sample = |i: usize| {
        let number = |k: usize| ((i * 7 + k) as f32 * 0.37).sin() + (k as f32 * i as f32).cos();
        Ok(vec![Tensor::from_floats(vec![1, 3, 8, 8], &(0..192).map(number).collect::<Vec<_>>())])
    };
    let case = heal::Case {
        original: model,
        cut: &cut,
        removed: &removed,
        feeds: &known.shapes.feeds,
        rows: heal::ROWS,
        fit: &(0..40),
        get: &sample,
        watch: &|_| (),
    };
    let found = heal::method("reconstruct").unwrap().heal(&case).unwrap();
    heal::apply(&mut proto, &found.edits).unwrap();
    (found.layers, proto)
}

/// Healing writes the one matrix, in its place.
#[test]
fn healing_is_that_of_one_matrix() {
    let ((layers, one), (others, several)) = (healed(&twins(false)), healed(&twins(true)));
    assert_eq!(layers, others);
    assert!(layers.iter().filter(|l| l.node == "/a" || l.node == "/b").all(|l| l.after < l.before), "{layers:?}");
    assert_eq!(initializer(&one, "tied.weight").unwrap(), initializer(&several, "tied.weight").unwrap());
    assert_eq!(identities(&several), 2);
}

/// Rows that a square matrix, its other name and its transpose are multiplied with.
fn turned(g: &mut GraphBuilder, x: &Val) -> Val {
    let w = g.weights("tied.weight", &[16, 16]);
    let row = g.global_average_pool(x, "/row");
    let row = g.flatten(&row, "/row/flat");
    let other = g.node(Op::new("Identity", "/name"), &[&w], &[16, 16]);
    let turned = g.transpose(&other, &[1, 0], "/turned");
    let y = g.node(Op::new("MatMul", "/a"), &[&row, &w], &[1, 16]);
    let y = g.relu(&y, "/ra");
    let y = g.node(Op::new("MatMul", "/b"), &[&y, &other], &[1, 16]);
    let y = g.relu(&y, "/rb");
    g.node(Op::new("MatMul", "/c"), &[&y, &turned], &[1, 16])
}

#[test]
fn a_matrix_and_its_transpose_are_cut_as_one() {
    assert_eq!(lost(&check(turned), "tied.weight"), 8);
    let (_, proto) = healed(&network(17, turned));
    assert_eq!(initializer(&proto, "tied.weight").unwrap().dims, [8, 8]);
    assert_eq!(proto.graph.unwrap().node.iter().filter(|n| n.op_type() == "Transpose").count(), 1);
}

/// Turned twice it lies as it did.
#[test]
fn kernels_that_are_transposed_follow_the_stored_one() {
    let model = network(17, |g, x| {
        let w = g.weights("tied.weight", &[16, 16, 3, 3]);
        let turned = g.transpose(&w, &[1, 0, 2, 3], "/turned");
        let again = g.transpose(&turned, &[1, 0, 2, 3], "/again");
        let conv = |g: &mut GraphBuilder, x: &Val, w: &Val, name: &str| {
            let y = g.node(Op::new("Conv", name).ints("pads", &[1; 4]), &[x, w], &x.dims.clone());
            g.relu(&y, &format!("{name}/relu"))
        };
        let y = conv(g, x, &w, "/a");
        conv(g, &y, &again, "/b")
    });
    assert_eq!(lost(&prune(&model), "tied.weight"), 8);
    let (_, proto) = healed(&model);
    let stored: Vec<&str> = proto.graph.iter().flat_map(|g| &g.initializer).map(|t| t.name()).collect();
    assert!(
        stored.contains(&"tied.weight") && !stored.iter().any(|n| n.contains("turned") || n.contains("again")),
        "{stored:?}"
    );
}

#[test]
fn what_is_read_both_ways_is_not_healed_one_way() {
    let (layers, _) = healed(&network(17, turned));
    for name in ["/a", "/b", "/c"] {
        let layer = layers.iter().find(|l| l.node == name).unwrap();
        assert!(layer.skipped.as_ref().is_some_and(|s| s.contains("another way")), "{layer:?}");
    }
}

/// A language model whose last matrix is its embedding.
#[test]
fn an_embedding_that_is_the_last_matrix_too_stays_one() {
    let mut g = GraphBuilder::new(17);
    let ids = g.input_of("ids", DataType::Int64, &[1, 6]);
    let table = g.weights("table.weight", &[40, 12]);
    let x = g.node(Op::new("Gather", "/words"), &[&table, &ids], &[1, 6, 12]);
    let (up, down) = (g.weights("up.weight", &[12, 20]), g.weights("down.weight", &[20, 12]));
    let y = g.node(Op::new("MatMul", "/up"), &[&x, &up], &[1, 6, 20]);
    let y = g.relu(&y, "/relu");
    let y = g.node(Op::new("MatMul", "/down"), &[&y, &down], &[1, 6, 12]);
    let y = g.add(&x, &y, "/sum");
    let turned = g.transpose(&table, &[1, 0], "/turned");
    let y = g.node(Op::new("MatMul", "/scores"), &[&y, &turned], &[1, 6, 40]);
    g.output(&y);
    let model = g.model().unwrap();
    let known = Analysed::new(&model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (proto, removed) = known.cut(&coupling, &gone);
    assert_eq!(known.judge(proto.clone(), &removed).status, Status::Passed);
    let dims: Vec<Vec<i64>> = proto.graph.unwrap().initializer.iter().map(|t| t.dims.clone()).collect();
    assert_eq!(dims, [vec![40, 6], vec![6, 10], vec![10, 6]]);
    let facts = known.facts();
    assert_eq!(cost::total(facts.graph, facts.constants, facts.dims).params, 40 * 12 + 2 * 12 * 20);
}

/// A grouped convolution loses channels of its own in each block, under whatever name it reads its weight.
#[test]
fn what_a_grouped_convolution_reads_is_cut_by_itself() {
    let cuts = check(|g, x| {
        let w = g.weights("s.weight", &[16, 8, 3, 3]);
        let name = g.node(Op::new("Identity", "/name"), &[&w], &[16, 8, 3, 3]);
        let grouped = |g: &mut GraphBuilder, x: &Val, w: &Val, name: &str| {
            g.node(Op::new("Conv", name).int("group", 2).ints("pads", &[1; 4]), &[x, w], &[1, 16, 8, 8])
        };
        let y = grouped(g, x, &name, "/a");
        let y = g.relu(&y, "/ra");
        grouped(g, &y, &w, "/b")
    });
    assert!(lost(&cuts, "stem.weight") > 0);
}

/// A share of the parameters is that of what is stored.
#[test]
fn a_share_of_the_parameters_is_met_whatever_the_names() {
    let f = Folder::new();
    let after = |twice: bool, share: &str| {
        let path = f.write("twins.onnx", &twins(twice).encode());
        let args = ["prune", &path, "--dry-run", "--cut-params", share, "--heal", "none"];
        report(&[&args[..], &["--input-shape", "x:1,3,8,8"]].concat()).after.params
    };
    for share in ["0.1", "0.3", "0.5"] {
        assert_eq!(after(false, share), after(true, share), "{share}");
    }
}

/// A network of which one weight is stored in that type, and cast on the way.
fn cast(stored: DataType, also: &[DataType]) -> Model {
    network(17, |g, x| {
        let numbers: Vec<f32> = (0..12 * 16 * 9).map(|k| ((k * 37 % 101) as f32 - 50.0) / 400.0).collect();
        let tensor = Tensor::of_floats(stored, vec![12, 16, 3, 3], &numbers).unwrap();
        let mut w = g.initializer("s.weight", &tensor);
        for (k, to) in also.iter().chain([&DataType::Float]).enumerate() {
            w = g.node(Op::new("Cast", &format!("/cast{k}")).int("to", *to as i64), &[&w], &[12, 16, 3, 3]);
        }
        let y = g.node(Op::new("Conv", "/a").ints("pads", &[1; 4]), &[x, &w], &[1, 12, 8, 8]);
        g.relu(&y, "/ra")
    })
}

/// What is stored in half precision stays so, cut and healed, and proved.
#[test]
fn what_is_cast_is_cut_and_healed_where_it_is_stored() {
    for (stored, also) in [
        (DataType::Float16, &[][..]),
        (DataType::Float, &[DataType::Float16]),
        (DataType::Float16, &[DataType::Double]),
    ] {
        let model = cast(stored, also);
        assert_eq!(lost(&prune(&model), "s.weight"), 6);
        let f = Folder::new();
        let (path, out) = (f.write("cast.onnx", &model.encode()), f.path("s.onnx"));
        let r = report(&["prune", &path, "-o", &out, "--rate", "0.5", "--samples", "48", "--scale", "1/255"]);
        let heal = r.heal.unwrap();
        let layer = heal.layers.iter().find(|l| l.node == "/a").unwrap();
        assert!(layer.outcome != "kept", "{heal:?}");
        assert_eq!(r.verification.unwrap().status, "passed");
        let small = Model::read(out.as_ref()).unwrap();
        let weight = initializer(small.proto(), "s.weight").unwrap();
        assert_eq!((weight.dtype, weight.dims), (stored, vec![6, 8, 3, 3]));
    }
}

/// Exporters merge equal vectors of layers that have nothing to do with each other.
#[test]
fn vectors_of_several_names_go_their_own_ways() {
    let cuts = check(|g, x| {
        let bias = g.initializer("zeros", &Tensor::from_floats(vec![16], &[0.0; 16]));
        let other = g.node(Op::new("Identity", "/other/zeros"), &[&bias], &[16]);
        let (wa, wb) = (g.weights("a.weight", &[16, 16, 1, 1]), g.weights("b.weight", &[16, 16, 1, 1]));
        let a = g.node(Op::new("Conv", "/a"), &[x, &wa, &bias], &x.dims.clone());
        let a = g.relu(&a, "/ra");
        g.node(Op::new("Conv", "/b"), &[&a, &wb, &other], &x.dims.clone())
    });
    assert_eq!((lost(&cuts, "a.weight"), lost(&cuts, "b.weight")), (8, 8));
}

/// A name that leaves the model keeps its shape, and so does the matrix.
#[test]
fn a_matrix_whose_other_name_is_an_output_stays_whole() {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let w = g.weights("kept.weight", &[8, 3, 1, 1]);
    let y = g.node(Op::new("Conv", "/a"), &[&x, &w], &[1, 8, 8, 8]);
    let y = g.conv(&y, "/b", secateur::build::Conv::square(6, 1));
    let y = g.conv(&y, "/c", secateur::build::Conv::square(4, 1));
    let name = g.node(Op::new("Identity", "/name"), &[&w], &[8, 3, 1, 1]);
    g.output(&y);
    g.output_of(&name, DataType::Float);
    let cuts = prune(&g.model().unwrap());
    assert_eq!((lost(&cuts, "kept.weight"), lost(&cuts, "b.weight")), (0, 3));
}
