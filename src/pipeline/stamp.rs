//! Where a pruned file came from, said in its metadata.

use sha2::{Digest, Sha256};

use crate::model::proto::StringStringEntryProto;
use crate::model::{Model, ModelProto, read};
use crate::plan::Plan;

/// Says in the file where it came from.
pub(super) fn stamp(proto: &mut ModelProto, model: &Model, plan: &Plan) {
    let source = &model.origin().sha256;
    let entries = [
        ("secateur.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("secateur.source_sha256", source.clone()),
        ("secateur.plan_sha256", plan_sha256(source, plan)),
        ("secateur.heal", "none".to_owned()),
    ];
    proto.metadata_props.retain(|p| entries.iter().all(|e| e.0 != p.key()));
    proto.metadata_props.extend(entries.map(|(k, v)| StringStringEntryProto { key: Some(k.into()), value: Some(v) }));
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
