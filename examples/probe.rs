//! probe (temporary)
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let given = secateur::shape::InputShapes(std::env::args().skip(2).map(|s| s.parse().unwrap()).collect());
    let t = std::time::Instant::now();
    let m = secateur::Model::read(path.as_ref()).unwrap();
    let s = secateur::shape::Shapes::of(&m, &given).unwrap();
    let g = m.graph().unwrap();
    let c = secateur::model::Constants::new(&g).unwrap();
    let unknown: Vec<_> = g.value_ids().filter(|&v| s.dims.get(v).is_none()).map(|v| g.name(v)).collect();
    let facts = secateur::couple::Facts {
        graph: &g,
        constants: &c,
        dims: &s.dims,
        open: s.grown.is_some(),
        grown: s.grown.as_ref().map(|g| &g.dims),
    };
    let cp = secateur::couple::couple(&facts).unwrap();
    println!(
        "{path} unknown {} {:?} groups {} pinned {} {:?}",
        unknown.len(),
        unknown.iter().take(3).collect::<Vec<_>>(),
        cp.groups.len(),
        cp.pinned.len(),
        t.elapsed()
    );
    if std::env::var("V").is_ok() {
        for g in &cp.groups {
            println!("  {} {} units={} axes={} res={}", g.id, g.name, g.units.len(), g.axes.len(), g.residual);
        }
        for p in &cp.pinned {
            println!("  pinned {} by {:?}: {}", g.node(p.layer).name(), p.node.map(|n| g.node(n).name()), p.reason);
        }
    }
}
