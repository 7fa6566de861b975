//! Einsum: `y[output labels] = sum over the other labels of the product of x_k[labels of k]`
//! (<https://onnx.ai/onnx/operators/onnx__Einsum.html>). Axes of one label are one axis; a label that is summed over is a contraction.

use super::{NodeDims, NodeView, OpRule, Operand, Relations, Role, Summary, Unsupported};
use crate::model::proto::NodeProto;

/// Einsum.
pub(super) struct Einsum;

/// The labels of each operand, and of the output.
struct Equation {
    operands: Vec<Vec<char>>,
    output: Vec<char>,
}

/// An equation and what stands for its terms.
struct Terms<'a> {
    equation: &'a Equation,
    operands: &'a [Operand<'a>],
    y: &'a Operand<'a>,
    /// Which values depend on an input, by number.
    live: &'a [bool],
}

impl OpRule for Einsum {
    fn op_types(&self) -> &'static [&'static str] {
        &["Einsum"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[output labels] = sum over the other labels of the product of x_k[labels of k]`",
            shrinks: "every label; none with an ellipsis or a diagonal",
            judged: "compared; operands are masked where a label is summed over",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let equation = Equation::of(node.node.proto)?;
        let y = node.made()?;
        let operands = (0..node.node.inputs.len()).map(|k| node.need(k)).collect::<Result<Vec<_>, _>>()?;
        let fits = |labels: &[char], o: &Operand<'_>| labels.len() == o.rank();
        let all = equation.operands.len() == operands.len()
            && equation.operands.iter().zip(&operands).all(|(l, o)| fits(l, o))
            && fits(&equation.output, &y);
        if !all {
            return Unsupported::because("has an equation that does not fit its operands");
        }
        let live = node.graph.live();
        let terms = Terms { equation: &equation, operands: &operands, y: &y, live: &live };
        equation.labels().into_iter().for_each(|label| terms.relate(rel, label));
        Ok(())
    }

    fn macs(&self, node: &NodeDims<'_>) -> u64 {
        let Ok(equation) = Equation::of(node.node) else { return 0 };
        let length = |label: char| {
            let of = |(k, l): (usize, &Vec<char>)| node.input(k).get(l.iter().position(|&c| c == label)?).copied();
            equation.operands.iter().enumerate().filter_map(of).max().unwrap_or(0) as u64
        };
        equation.labels().into_iter().map(length).product()
    }
}

impl Terms<'_> {
    /// The axes of a label are one; a sum over constants alone, or over one that is broadcast, keeps them whole: no mask could stand for a cut.
    fn relate(&self, rel: &mut Relations<'_>, label: char) {
        let at = |labels: &[char]| labels.iter().position(|&c| c == label);
        let terms = self.operands.iter().zip(&self.equation.operands);
        let carriers: Vec<(&Operand<'_>, usize)> = terms.filter_map(|(o, labels)| Some((o, at(labels)?))).collect();
        let output = at(&self.equation.output).map(|k| self.y.axis(k));
        let length = carriers.iter().map(|(o, k)| o.dims[*k]).max();
        let is_live = carriers.iter().any(|(o, k)| self.live[o.value.index()] && Some(o.dims[*k]) == length);
        let Some(&(first, k)) = carriers.first() else { return };
        let one = output.unwrap_or(first.axis(k));
        for (o, k) in &carriers {
            rel.link(o.axis(*k), one);
            if !self.live[o.value.index()] {
                rel.role(o.axis(*k), if output.is_some() { Role::Filter } else { Role::Kernel });
            }
            if !is_live && output.is_none() {
                rel.pin(o.axis(*k), "it sums constants over this axis");
            }
        }
    }
}

impl Equation {
    /// Errors where the roles of labels are not clear.
    fn of(node: &NodeProto) -> Result<Self, Unsupported> {
        let text: String = node.attr_str("equation").unwrap_or("").chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = text.split_once("->").map_or((text.as_str(), None), |(l, r)| (l, Some(r)));
        let operands: Vec<Vec<char>> = left.split(',').map(|o| o.chars().collect()).collect();
        let once = |c: &char| left.chars().filter(|d| d == c).count() == 1;
        let mut implied: Vec<char> = left.chars().filter(|c| c.is_alphabetic()).filter(once).collect();
        implied.sort_unstable();
        let output = right.map_or(implied, |r| r.chars().collect());
        let equation = Self { operands, output };
        if equation.all().any(|l| l.iter().any(|c| !c.is_ascii_alphabetic())) {
            return Unsupported::because("has an equation with an ellipsis");
        }
        let repeats = |l: &Vec<char>| (1..l.len()).any(|i| l[..i].contains(&l[i]));
        if equation.all().any(repeats) {
            return Unsupported::because("takes a diagonal");
        }
        Ok(equation)
    }

    fn all(&self) -> impl Iterator<Item = &Vec<char>> {
        self.operands.iter().chain([&self.output])
    }

    /// Every label once.
    fn labels(&self) -> Vec<char> {
        let mut labels: Vec<char> = self.operands.concat();
        labels.sort_unstable();
        labels.dedup();
        labels
    }
}
