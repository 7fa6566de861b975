//! QuantizeLinear: `y[i, c] = round(x[i, c] / scale[c]) + zero[c]` (<https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>);
//! DequantizeLinear: `y[i, c] = scale[c] (x[i, c] - zero[c])` (<https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>).
//! Scales and zero points follow their axis. An int8 weight behind a DequantizeLinear stays int8, and is cut where the filters lie.

use super::{NodeView, OpRule, Relations, Role, Summary, Unsupported};

/// Both.
pub(super) struct QuantizeLinear;

impl OpRule for QuantizeLinear {
    fn op_types(&self) -> &'static [&'static str] {
        &["DequantizeLinear", "QuantizeLinear"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i, c] = round(x[i, c] / scale[c]) + zero[c]`, and back",
            shrinks: "every axis; scales and zero points of an axis follow it",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        if node.attr_int("block_size", 0) != 0 {
            return Unsupported::because("has a scale for each block of an axis");
        }
        let (x, y) = (node.need(0)?, node.made()?);
        rel.link_all(&x, &y)?;
        for v in [1, 2].into_iter().filter_map(|slot| node.input(slot)) {
            match v.dims {
                [] | [1] => {}
                [_] => {
                    rel.link(v.axis(0), x.axis(node.axis(&x, "axis", 1)?));
                    rel.role(v.axis(0), Role::PerChannel);
                }
                _ => return Unsupported::because("has a scale for each block of an axis"),
            }
        }
        Ok(())
    }
}
