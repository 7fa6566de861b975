//! Expand: `y[.., i, ..] = x[.., i or 0, ..]` (<https://onnx.ai/onnx/operators/onnx__Expand.html>);
//! ConstantOfShape: `y[..] = v` (<https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>). The shape that they ask for is recomputed after
//! a cut.

use super::{NodeView, OpRule, Relations, Slot, Summary, Unsupported};

/// Expand.
pub(super) struct Expand;

/// ConstantOfShape of a computed shape.
pub(super) struct ConstantOfShape;

const fn integers(slot: usize) -> Slot {
    Slot::Input { slot, replaces: None }
}

impl OpRule for Expand {
    fn op_types(&self) -> &'static [&'static str] {
        &["Expand"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[.., i, ..] = x[.., i or 0, ..]`",
            shrinks: "every axis; the shape follows",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let shape = node.ints(1).ok_or_else(|| Unsupported("has a shape that is computed from data".into()))?;
        if shape.len() > y.rank() || x.rank() > y.rank() {
            return Unsupported::because("has a shape that does not fit its input");
        }
        let (own, asked) = (y.rank() - x.rank(), y.rank() - shape.len());
        for k in 0..y.rank() {
            let at = k.checked_sub(asked).filter(|&e| shape[e] == y.dims[k] as i64 && y.dims[k] > 1);
            match k.checked_sub(own) {
                Some(i) if x.dims[i] == y.dims[k] => rel.link(x.axis(i), y.axis(k)),
                Some(i) => rel.free(x.axis(i)),
                None => {}
            }
            rel.free(y.axis(k));
            if let Some(e) = at {
                rel.count_all((integers(1), e), y.axis(k));
            }
        }
        Ok(())
    }
}

impl OpRule for ConstantOfShape {
    fn op_types(&self) -> &'static [&'static str] {
        &["ConstantOfShape"]
    }

    fn summary(&self) -> Summary {
        Summary { formula: "`y[..] = v`", shrinks: "every axis; the shape follows", judged: "by what reads it" }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let y = node.made()?;
        let shape = node.ints(0).ok_or_else(|| Unsupported("has a shape that is computed from data".into()))?;
        if shape.len() != y.rank() {
            return Unsupported::because("has a shape that does not fit what it makes");
        }
        for (k, axis) in y.axes().enumerate() {
            rel.free(axis);
            rel.count_all((integers(0), k), axis);
        }
        Ok(())
    }
}
