//! The walk against dominators and natural loops, on random graphs and on a nest that would take quadratic time.

use super::*;
use ir::cfg::LoopId;
use ir::random::flow::{body, graph as random_graph};

/// The layout of `body` by the walk, whether or not its own order would do.
fn sorted(body: &Body) -> Layout {
    let mut layout = Layout {
        order: Vec::new(),
        places: vec![Place::NONE; body.blocks.len()],
        loops: Vec::new(),
        irreducible: false,
        dominators: core::cell::OnceCell::new(),
    };
    layout.sort(body);
    layout
}

/// Whether some retreating edge is no back edge.
fn is_irreducible(cfg: &Cfg, dominators: &Dominators) -> bool {
    cfg.rpo().iter().any(|&from| {
        let mut targets = cfg.succs(from).iter();
        targets.any(|&to| cfg.is_retreating(from, to) && !dominators.dominates(to, from))
    })
}

/// Whether `layout` has the loops of `loops`, and edges counted.
fn check_loops(cfg: &Cfg, loops: &Loops, layout: &Layout) {
    assert_eq!(layout.order.len(), cfg.rpo().len());
    assert_eq!(layout.loops.len(), loops.all().len());
    let numbers: Vec<BlockId> = loops.headers().collect();
    for range in &layout.loops {
        assert_eq!(numbers[range.number as usize], range.header);
    }
    let header = |id: Option<LoopId>| id.map(|id| loops.get(id).header);
    let ranges = &layout.loops;
    for id in (0..cfg.num_blocks() as u32).map(BlockId) {
        let place = layout.place(id);
        assert_eq!(cfg.is_reachable(id), place.index != NONE);
        let range = ranges.get(place.inner as usize);
        assert_eq!(range.map(|l| l.header), header(loops.innermost(id)));
        assert_eq!(layout.depth(id), loops.depth(id));
        let sources = cfg.preds(id).iter().filter(|&&p| cfg.is_reachable(p));
        assert_eq!(place.edges as usize, sources.count());
    }
    for (at, range) in ranges.iter().enumerate() {
        let natural = loops.get(loops.innermost(range.header).expect("a header"));
        let parent = ranges.get(range.parent as usize);
        assert_eq!(parent.map(|l| l.header), header(natural.parent));
        assert!(range.parent as usize > at, "an outer loop comes first");
    }
}

#[test]
fn the_walk_finds_natural_loops_and_keeps_them_together() {
    let mut kinds = [0; 2];
    for seed in 0..3000 {
        let body = body(&random_graph(seed));
        let cfg = Cfg::new(&body);
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        let layout = sorted(&body);
        assert_eq!(layout.irreducible, is_irreducible(&cfg, &dominators));
        kinds[usize::from(layout.irreducible)] += 1;
        check_loops(&cfg, &loops, &layout);
        if layout.irreducible {
            assert_eq!(layout.order, cfg.rpo());
            continue;
        }
        let index = |id: BlockId| layout.place(id).index;
        for &from in &layout.order {
            for &to in cfg.succs(from) {
                let back = dominators.dominates(to, from);
                assert!(back || index(from) < index(to), "L1 at seed {seed}");
            }
        }
        for (&a, &b) in layout
            .order
            .iter()
            .flat_map(|a| layout.order.iter().map(move |b| (a, b)))
        {
            let dominates = dominators.dominates(a, b);
            assert_eq!(layout.dominates(&body, a, b), dominates, "at seed {seed}");
        }
        // Each block is one instruction, so positions are indices.
        for range in &layout.loops {
            let inside = |id: BlockId| (range.start..=range.end).contains(&index(id));
            let id = loops.innermost(range.header).expect("a header");
            for &block in &layout.order {
                assert_eq!(
                    inside(block),
                    loops.contains(id, block),
                    "L2 at seed {seed}"
                );
            }
            assert_eq!(range.start, index(range.header), "L2 at seed {seed}");
        }
    }
    assert!(kinds.iter().all(|&count| count > 200), "{kinds:?}");
}

/// `deep` loops around a chain of `long` blocks, each of which also leads to the outermost header and so
/// merges the shortest chain of headers with the longest.
fn ladder(deep: u32, long: u32) -> Vec<Vec<u32>> {
    let headers = (0..deep).map(|at| vec![at + 1]);
    let chain = (deep..deep + long).map(|at| vec![0, at + 1]);
    let tails = (0..deep).map(|at| vec![deep - 1 - at, deep + long + at + 1]);
    let end = core::iter::once(Vec::new());
    headers.chain(chain).chain(tails).chain(end).collect()
}

#[test]
fn a_nest_too_deep_to_join_is_laid_out_without() {
    for (deep, long, gives_up) in [(3, 100, false), (300, 300, true)] {
        let body = body(&ladder(deep, long));
        let cfg = Cfg::new(&body);
        let dominators = Dominators::new(&cfg);
        let layout = sorted(&body);
        assert_eq!(layout.irreducible, gives_up);
        check_loops(&cfg, &Loops::new(&cfg, &dominators), &layout);
    }
}
