//! Traps that real models and other pruners were caught in: each is a test, with the right result, or the channels held for the right
//! reason. Those of which the plain form stands in `oracle.rs`, `cli.rs` or `smith` are tested there, and only named here.
//!
//! | trap | test |
//! |---|---|
//! | 1 constants read by several nodes | `oracle::{a_bias_that_a_simplifier_merged_is_unshared, a_weight_that_is_tied_on_purpose_stays_tied}` |
//! | 2 a removed channel sends a constant on | `oracle::batch_norm_before_a_convolution_is_masked_where_it_is_read` |
//! | 3 depthwise, grouped, ConvTranspose | `oracle::{depthwise_.., grouped_..}`, `operators` |
//! | 4 Concat and Split | `oracle::concat_and_split_keep_their_offsets`, `operators`, C2f in `smith` |
//! | 5 shuffles and pixel shuffles | `oracle::channel_shuffle_by_products`, `operators` |
//! | 6 squeeze-excite | `oracle::squeeze_and_excite_gates_broadcast`, `operators` |
//! | 7 Flatten into Gemm | `oracle::flatten_..`, `operators` |
//! | 8 Reshape | `oracle::{reshape_with_zero_and_minus_one, flatten_by_a_chain_of_shape_nodes}`, `operators` |
//! | 9 normalisations and reductions | `operators` |
//! | 10 PRelu | `oracle::broadcast_constants_of_every_form_follow_their_channels`, `operators` |
//! | 11 option A | `oracle::slice_and_pad_shortcut`, `smith` |
//! | 12 constant indices | `operators` |
//! | 13 broadcast constants | `oracle::broadcast_constants_of_every_form_follow_their_channels` |
//! | 14 recurrent operators, subgraphs, functions | `subgraphs` |
//! | 15 quantized weights | `operators` |
//! | 16 element types and where elements are kept | `storage` |
//! | 17 Constant nodes, ConstantOfShape, IR 3 | `storage` |
//! | 18 the interface | `interface` |
//! | 19 stale `value_info` | `interface` |
//! | 20 BatchNormalization that cannot be folded | `numbers` |
//! | 21 one channel stays, ties, NaN | `numbers`; NaN in `cli::bad_models` |
//! | 22 unknown operators | `interface` |
//! | 23 convolutions at the interface | `interface` |
//! | 24 two readers, one pinned | `numbers` |
//! | 25 MatMul of rank 1, forms of C | `numbers` |
//! | 26 open dims | `interface` |
//! | 27 shapes as numbers, amounts by chains | `oracle::a_channel_count_used_as_a_number_keeps_its_channels`, `numbers` |
//! | 28 weights that show nothing | `numbers` |

use secateur::Model;
use secateur::couple::{Coupling, couple};
use secateur::model::{Removed, Tensor};
use secateur::op::Owner;
use secateur::plan::{Choice, decide};
use secateur::verify::{Status, Verification};

use crate::support::{Analysed, constant};

mod interface;
mod numbers;
mod operators;
mod storage;
mod subgraphs;

/// What pruning came to.
struct Cut {
    original: Model,
    /// Written and read back.
    pruned: Model,
    removed: Vec<Removed>,
    verdict: Verification,
    /// Filters that stay: the weight, and the reason behind the name of the operator that holds them.
    pinned: Vec<(String, String)>,
}

/// Half of every group goes.
fn cut(model: &Model) -> Cut {
    cut_at(model, 0.5, &[])
}

fn cut_at(model: &Model, rate: f64, shapes: &[&str]) -> Cut {
    let original = Model::decode(model.encode().into(), "original".as_ref()).unwrap();
    let known = Analysed::new(model, shapes);
    let coupling = couple(&known.facts()).unwrap();
    let gone = decide(&known.facts(), &coupling, &Choice::rate(rate), None).unwrap().plan.gone(&coupling).unwrap();
    let (pruned, removed) = known.cut(&coupling, &gone);
    let verdict = known.judge(pruned.clone(), &removed);
    let pruned = Model::decode(Model::new(pruned).unwrap().encode().into(), "pruned".as_ref()).unwrap();
    Cut { pinned: pinned(&known, &coupling), original, pruned, removed, verdict }
}

fn pinned(known: &Analysed<'_>, coupling: &Coupling) -> Vec<(String, String)> {
    let one = |p: &secateur::couple::Pinned| match coupling.statements.axes[p.axis.index()].owner {
        Owner::Value { value, .. } => {
            let op = p.node.map_or("interface", |n| known.graph.node(n).op());
            Some((known.graph.name(value).to_owned(), format!("{op}: {}", p.reason)))
        }
        Owner::Blocks { .. } | Owner::Virtual { .. } => None,
    };
    coupling.pinned.iter().filter_map(one).collect()
}

impl Cut {
    /// The proof held.
    fn proved(self) -> Self {
        assert_eq!(self.verdict.status, Status::Passed, "{:?}", self.verdict.reason);
        self
    }

    /// The proof held, or the runtime does not run the original.
    fn not_refuted(self) -> Self {
        assert_ne!(self.verdict.status, Status::Failed, "{:?}", self.verdict.reason);
        self
    }

    /// Coordinates that an axis of a value lost.
    fn lost(&self, value: &str, axis: usize) -> usize {
        let entries = self.removed.iter().filter(|r| r.value == value && r.axis == axis);
        entries.map(|r| r.indices.len()).max().unwrap_or(0)
    }

    /// Why the filters of a weight stay.
    fn reason(&self, weight: &str) -> &str {
        self.pinned.iter().find(|p| p.0 == weight).map_or("nothing holds it", |p| p.1.as_str())
    }

    /// The filters of a weight stay, because of words like these.
    fn holds(&self, weight: &str, words: &[&str]) {
        assert_eq!(self.lost(weight, 0), 0, "{weight} lost filters");
        let reason = self.reason(weight);
        assert!(words.iter().all(|w| reason.contains(w)), "{weight} is held by '{reason}', not by {words:?}");
    }

    /// The filters of a weight were cut, or they stay because of such words.
    fn cuts_or_holds(&self, weight: &str, words: &[&str]) {
        if self.lost(weight, 0) == 0 {
            self.holds(weight, words);
        }
    }

    /// A constant of the pruned model is the original's at what is kept, bit for bit.
    fn keeps_bits(&self, name: &str) -> Tensor {
        let mut expected = constant(self.original.proto(), name).unwrap();
        for r in self.removed.iter().filter(|r| r.value == name) {
            expected = r.kept().select(&expected).unwrap();
        }
        let found = constant(self.pruned.proto(), name).unwrap();
        assert!(found == expected, "'{name}' holds other bits than the original");
        found
    }
}
