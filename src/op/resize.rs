//! Resize and Upsample: `y[n, c, q] = sum over taps p near q / s of weight(p, q) x[n, c, p]`, each channel on its own
//! (<https://onnx.ai/onnx/operators/onnx__Resize.html>). An axis of scale 1 is copied; the target's `sizes` count it.

use super::{NodeView, OpRule, Operand, Relations, Slot, Summary, Unsupported};

/// Resize, and Upsample before it.
pub(super) struct Resize;

impl OpRule for Resize {
    fn op_types(&self) -> &'static [&'static str] {
        &["Resize", "Upsample"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, c, q] = sum over p of weight(p, q) x[n, c, p]`",
            shrinks: "axes of scale 1; `sizes` follow",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        if x.rank() != y.rank() {
            return Unsupported::shapes();
        }
        let text = |name| node.node.proto.attr_str(name);
        if text("coordinate_transformation_mode") == Some("tf_crop_and_resize") {
            return Unsupported::because("crops as it resizes");
        }
        if text("keep_aspect_ratio_policy").is_some_and(|p| p != "stretch") {
            return Unsupported::because("chooses its scales so that the aspect ratio stays");
        }
        let resized = resized_axes(node, &x)?;
        let same = copied(node, rel, &x, &resized)?;
        for k in 0..x.rank() {
            let stays = resized.iter().position(|&r| r == k).is_none_or(|e| same[e]) && x.dims[k] == y.dims[k];
            if stays {
                rel.link(x.axis(k), y.axis(k));
            } else {
                rel.pin_all([x.axis(k), y.axis(k)], "it is interpolated");
            }
        }
        Ok(())
    }
}

/// The axes that scales or sizes speak of, in their order.
fn resized_axes(node: &NodeView<'_>, x: &Operand<'_>) -> Result<Vec<usize>, Unsupported> {
    let Some(axes) = node.node.proto.attr_ints("axes") else { return Ok((0..x.rank()).collect()) };
    x.all_from_front(axes)
}

/// Which of these axes are copied as they are: by a scale of 1, or a size that is the input's own, which is then counted.
fn copied(
    node: &NodeView<'_>,
    rel: &mut Relations<'_>,
    x: &Operand<'_>,
    resized: &[usize],
) -> Result<Vec<bool>, Unsupported> {
    if let Some(sizes) = node.ints(3).filter(|s| s.len() == resized.len()) {
        let same: Vec<bool> = sizes.iter().zip(resized).map(|(&s, &k)| s == x.dims[k] as i64).collect();
        for (e, &k) in resized.iter().enumerate().filter(|(e, _)| same[*e]) {
            rel.count_all((Slot::Input { slot: 3, replaces: None }, e), x.axis(k));
        }
        return Ok(same);
    }
    let in_attribute = node.node.proto.attr("scales").map(|a| a.floats.clone());
    let slot = if node.op() == "Upsample" || node.opset() < 11 { 1 } else { 2 };
    let in_slot = |slot| node.known.get(node.node.input(slot)?)?.tensor().floats();
    let scales = in_attribute.or_else(|| in_slot(slot)).filter(|s| s.len() == resized.len());
    let scales = scales.ok_or_else(|| Unsupported("has scales or sizes that are computed from data".into()))?;
    Ok(scales.iter().map(|&s| s == 1.0).collect())
}
