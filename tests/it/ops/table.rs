//! The table of rules: every operator of ONNX has one, and no form of a node makes a rule panic.

use secateur::build::{Op, Val};
use secateur::model::Tensor;
use secateur::op::RULES;

use super::reason_at;

/// Operators of ONNX's default domain, up to operator set 23. Constants are known, and need no rule.
const OPERATORS: &str = "Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization \
    Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu CenterCropPad Clip Col2Im \
    Compress Concat ConcatFromSequence ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DFT DeformConv DepthToSpace \
    DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather \
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample \
    GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder InstanceNormalization IsInf \
    IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger Max \
    MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Multinomial Neg \
    NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot Optional OptionalGetElement OptionalHasElement Or PRelu Pad Pow \
    QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range \
    Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare \
    RegexFullMatch Relu Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round STFT Scan Scatter ScatterElements ScatterND \
    Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap Shape Shrink Sigmoid Sign \
    Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt Squeeze StringConcat \
    StringNormalizer StringSplit Sub Sum Tan Tanh TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample \
    Where Xor";

#[test]
fn every_operator_has_one_rule() {
    for op in OPERATORS.split_whitespace() {
        assert_eq!(RULES.iter().filter(|r| r.op_types().contains(&op)).count(), 1, "{op}");
    }
    let known: Vec<&str> = OPERATORS.split_whitespace().collect();
    let foreign: Vec<&&str> = RULES.iter().flat_map(|r| r.op_types()).filter(|o| !known.contains(o)).collect();
    assert_eq!(foreign, [&"Swish"], "an operator of a later set");
}

/// Nodes that no exporter writes: operands of every rank, in every slot. A `perm` that is none is refused before the rules are asked.
#[test]
fn malformed_nodes_are_described_without_a_panic() {
    let dims: [&[usize]; 6] = [&[], &[1], &[16], &[16, 1, 1], &[1, 16, 8, 8], &[2, 16, 8, 8, 3]];
    for op in RULES.iter().flat_map(|r| r.op_types()).copied() {
        for (k, own) in dims.iter().enumerate() {
            for attributes in [0, 3, -1, i64::MAX, i64::MIN] {
                let _ = reason_at(17, |g, x| {
                    let floats = g.uniform("floats", own, 0.5, 1.0);
                    let ints = g.initializer(
                        "ints",
                        &Tensor::from_ints(own.to_vec(), &vec![attributes; floats.dims.iter().product()]),
                    );
                    let node = ["axis", "group", "blocksize", "num_groups", "batch_dims", "block_size"]
                        .iter()
                        .fold(Op::new(op, "/op"), |node, name| node.int(name, attributes))
                        .ints("axes", &[attributes]);
                    let others: [[&Val; 3]; 2] = [[&floats; 3], [&ints; 3]];
                    let inputs =
                        [[&others[k % 2][..], &[x]], [&[x], &others[k % 2][..]]][usize::from(attributes > 0)].concat();
                    g.node(node, &inputs, &x.dims.clone())
                });
            }
        }
    }
}
