//! Operators of which all axes stay, and why: nothing here describes a relation. A considered reason is shown in the place of a guess.

use super::{NodeView, OpRule, Relations, Summary, Unsupported};

/// All of them.
pub(super) struct Whole;

const RECURRENT: &str = "keeps a state of which the gates lie interleaved in its weights";
const SEQUENCE: &str = "works on sequences, of which the lengths are data";
const SIGNAL: &str = "mixes all of a signal";
const RANDOM: &str = "makes other numbers in each run";
const TEXT: &str = "works on text";
const ZERO_POINT: &str = "multiplies integers of which a zero stands for another number than 0";
const COUNTS: &str = "gives lengths as numbers";
const DATA: &str = "makes a length that depends on data";
const BODY: &str = "runs a graph of its own, which is not followed";
const HEADS: &str = "splits its channels into heads by their positions";
const LOSS: &str = "is a training loss, and reads classes by their positions";
const WINDOW: &str = "makes a signal's window";

/// Each operator with its reason, by name.
pub(super) const REASONS: &[(&str, &str)] = &[
    ("AffineGrid", "makes places in an image"),
    ("Attention", HEADS),
    ("Bernoulli", RANDOM),
    ("BlackmanWindow", WINDOW),
    ("CenterCropPad", "crops and pads to a size that is data"),
    ("Col2Im", "folds columns of an image into channels"),
    ("Compress", DATA),
    ("ConcatFromSequence", SEQUENCE),
    ("ConvInteger", ZERO_POINT),
    ("DFT", SIGNAL),
    ("DeformConv", "moves its kernel to places that are data"),
    ("DynamicQuantizeLinear", "takes its scale from all elements"),
    ("EyeLike", "makes a matrix of which the diagonal counts"),
    ("GRU", RECURRENT),
    ("HammingWindow", WINDOW),
    ("HannWindow", WINDOW),
    ("If", BODY),
    ("ImageDecoder", "decodes an image"),
    ("LSTM", RECURRENT),
    ("Loop", BODY),
    ("MatMulInteger", ZERO_POINT),
    ("MaxUnpool", "reads indices that count through all channels"),
    ("MelWeightMatrix", SIGNAL),
    ("Multinomial", RANDOM),
    ("NegativeLogLikelihoodLoss", LOSS),
    ("NonMaxSuppression", DATA),
    ("NonZero", DATA),
    ("Optional", SEQUENCE),
    ("OptionalGetElement", SEQUENCE),
    ("OptionalHasElement", SEQUENCE),
    ("QLinearConv", ZERO_POINT),
    ("QLinearMatMul", ZERO_POINT),
    ("RNN", RECURRENT),
    ("RandomNormal", RANDOM),
    ("RandomNormalLike", RANDOM),
    ("RandomUniform", RANDOM),
    ("RandomUniformLike", RANDOM),
    ("Range", DATA),
    ("RegexFullMatch", TEXT),
    ("RotaryEmbedding", HEADS),
    ("STFT", SIGNAL),
    ("Scan", BODY),
    ("SequenceAt", SEQUENCE),
    ("SequenceConstruct", SEQUENCE),
    ("SequenceEmpty", SEQUENCE),
    ("SequenceErase", SEQUENCE),
    ("SequenceInsert", SEQUENCE),
    ("SequenceLength", SEQUENCE),
    ("SequenceMap", SEQUENCE),
    ("Shape", COUNTS),
    ("Size", COUNTS),
    ("SoftmaxCrossEntropyLoss", LOSS),
    ("SplitToSequence", SEQUENCE),
    ("StringConcat", TEXT),
    ("StringNormalizer", TEXT),
    ("StringSplit", TEXT),
    ("TfIdfVectorizer", TEXT),
    ("Unique", DATA),
];

/// The names alone, in the order of the reasons.
const NAMES: [&str; REASONS.len()] = {
    let mut names = [""; REASONS.len()];
    let mut k = 0;
    while k < REASONS.len() {
        names[k] = REASONS[k].0;
        k += 1;
    }
    names
};

impl OpRule for Whole {
    fn op_types(&self) -> &'static [&'static str] {
        &NAMES
    }

    fn summary(&self) -> Summary {
        Summary { formula: "not followed", shrinks: "nothing; the reasons are below", judged: "by what reads it" }
    }

    fn relate(&self, node: &NodeView<'_>, _rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let reason = REASONS.iter().find(|r| r.0 == node.op()).map_or("is not followed", |r| r.1);
        Unsupported::because(reason)
    }
}
