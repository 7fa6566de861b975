//! Where a pruned file came from, said in its metadata.

use sha2::{Digest, Sha256};

use crate::model::proto::StringStringEntryProto;
use crate::model::{Model, ModelProto, read};
use crate::plan::Plan;

const VERSION: &str = "secateur.version";
const SOURCE: &str = "secateur.source_sha256";
const PLAN: &str = "secateur.plan_sha256";
const HEAL: &str = "secateur.heal";

/// Says in the file where it came from.
pub(super) fn stamp(proto: &mut ModelProto, model: &Model, plan: &Plan) {
    let source = &model.origin().sha256;
    let entries = [
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        (SOURCE, source.clone()),
        (PLAN, plan_sha256(source, plan)),
        (HEAL, "none".to_owned()),
    ];
    proto.metadata_props.retain(|p| entries.iter().all(|e| e.0 != p.key()));
    proto.metadata_props.extend(entries.map(|(k, v)| StringStringEntryProto { key: Some(k.into()), value: Some(v) }));
}

/// Says in a file that says where it came from how it was healed.
pub(super) fn stamp_heal(proto: &mut ModelProto, method: &str) {
    proto.metadata_props.iter_mut().filter(|p| p.key() == HEAL).for_each(|p| p.value = Some(method.to_owned()));
}

/// Whether the file says that it was healed.
pub(super) fn is_healed(model: &Model) -> bool {
    said(model, HEAL).is_some_and(|how| how != "none")
}

/// What the file says of where it came from, if that is not this plan of this original.
pub(super) fn contradiction(model: &Model, original: &Model, plan: &Plan) -> Option<String> {
    let source = &original.origin().sha256;
    let [other_plan, other_source] = [(PLAN, plan_sha256(source, plan)), (SOURCE, source.clone())]
        .map(|(key, own)| said(model, key).filter(|found| *found != own));
    let reason = match (other_plan, other_source) {
        (Some(found), _) => format!("the file says in {PLAN} that it follows another plan ({found})"),
        (None, Some(found)) => format!("the file says in {SOURCE} that it was made from another model ({found})"),
        (None, None) => return None,
    };
    Some(reason)
}

fn said<'m>(model: &'m Model, key: &str) -> Option<&'m str> {
    model.proto().metadata_props.iter().find(|p| p.key() == key).map(StringStringEntryProto::value)
}

/// SHA-256, in hexadecimal, of the model's hash and of a line `ID:UNIT,UNIT,..` for each group that loses units, by number: however a file
/// says a plan, it is the same.
pub fn plan_sha256(model_sha256: &str, plan: &Plan) -> String {
    let mut hash = Sha256::new();
    hash.update(model_sha256);
    let mut groups: Vec<_> = plan.groups.iter().filter(|g| !g.remove.is_empty()).collect();
    groups.sort_by_key(|g| g.id);
    for group in groups {
        let units: Vec<String> = group.remove.iter().map(ToString::to_string).collect();
        hash.update(format!("\n{}:{}", group.id, units.join(",")));
    }
    read::hex(&hash.finalize())
}
