//! Control flow against brute force on random graphs, and on shapes that are quadratic for other
//! algorithms.

use super::*;
use crate::random::flow::{body, graph as random_graph};
use alloc::collections::BTreeSet;
use alloc::vec;

/// Blocks reachable from the entry without passing `without`.
fn reached(graph: &[Vec<u32>], without: Option<u32>) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut stack = vec![0];
    while let Some(at) = stack.pop() {
        if Some(at) != without && seen.insert(at) {
            stack.extend(&graph[at as usize]);
        }
    }
    seen
}

#[test]
fn dominators_agree_with_the_definition() {
    for seed in 0..3000 {
        let graph = random_graph(seed);
        let cfg = Cfg::new(&body(&graph));
        let dominators = Dominators::new(&cfg);
        let reachable = reached(&graph, None);
        assert_eq!(cfg.rpo().len(), reachable.len(), "seed {seed}");
        for a in 0..graph.len() as u32 {
            let without = reached(&graph, Some(a));
            for b in 0..graph.len() as u32 {
                let expected =
                    !reachable.contains(&b) || (reachable.contains(&a) && !without.contains(&b));
                // An unreachable block dominates no reachable one.
                let got = dominators.dominates(BlockId(a), BlockId(b));
                assert_eq!(got, expected, "seed {seed}: {a} dom {b} in {graph:?}");
            }
        }
    }
}

#[test]
fn the_immediate_dominator_is_the_closest_strict_one() {
    for seed in 0..1000 {
        let graph = random_graph(seed);
        let cfg = Cfg::new(&body(&graph));
        let dominators = Dominators::new(&cfg);
        for &b in cfg.rpo() {
            let strict: Vec<_> = cfg
                .rpo()
                .iter()
                .filter(|&&a| a != b && dominators.dominates(a, b))
                .collect();
            let closest = strict
                .iter()
                .find(|&&&a| strict.iter().all(|&&other| dominators.dominates(other, a)));
            assert_eq!(dominators.idom(b), closest.map(|&&a| a), "seed {seed}");
        }
    }
}

#[test]
fn loops_agree_with_the_definition() {
    for seed in 0..3000 {
        let graph = random_graph(seed);
        let cfg = Cfg::new(&body(&graph));
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        for (at, found) in (0u32..).zip(loops.all()) {
            let members = members(&cfg, &dominators, found.header);
            for b in 0..graph.len() as u32 {
                let inside = loops.contains(LoopId(at), BlockId(b));
                assert_eq!(inside, members.contains(&b), "seed {seed}: {graph:?}");
            }
        }
        for &b in cfg.rpo() {
            let depth = cfg
                .rpo()
                .iter()
                .filter(|&&h| members(&cfg, &dominators, h).contains(&b.0))
                .count();
            assert_eq!(loops.depth(b) as usize, depth, "seed {seed}: {graph:?}");
            let header = !members(&cfg, &dominators, b).is_empty();
            assert_eq!(loops.is_header(b), header, "seed {seed}: {graph:?}");
        }
    }
}

/// The natural loop of `header` by definition; empty if no back edge leads to it.
fn members(cfg: &Cfg, dominators: &Dominators, header: BlockId) -> BTreeSet<u32> {
    let mut stack: Vec<_> = cfg.preds(header).to_vec();
    stack.retain(|&from| cfg.is_reachable(from) && dominators.dominates(header, from));
    if stack.is_empty() {
        return BTreeSet::new();
    }
    let mut seen = BTreeSet::from([header.0]);
    while let Some(at) = stack.pop() {
        if cfg.is_reachable(at) && seen.insert(at.0) {
            stack.extend(cfg.preds(at));
        }
    }
    seen
}

#[test]
fn edges_come_once_each_way() {
    for seed in 0..500 {
        let graph = random_graph(seed);
        let cfg = Cfg::new(&body(&graph));
        for from in 0..graph.len() as u32 {
            let to: Vec<_> = cfg.succs(BlockId(from)).iter().map(|b| b.0).collect();
            assert_eq!(to, graph[from as usize]);
            for to in 0..graph.len() as u32 {
                let forward = graph[from as usize].iter().filter(|&&t| t == to).count();
                let preds = cfg.preds(BlockId(to));
                let backward = preds.iter().filter(|b| b.0 == from).count();
                assert_eq!(forward, backward);
            }
        }
    }
}

#[test]
fn every_cycle_has_a_retreating_edge() {
    for seed in 0..1000 {
        let graph = random_graph(seed);
        let cfg = Cfg::new(&body(&graph));
        for (from, targets) in (0u32..).zip(&graph) {
            for &to in targets {
                // Forward edges ascend in reverse postorder, so they cannot close a cycle.
                let (from, to) = (BlockId(from), BlockId(to));
                if cfg.is_reachable(from) && !cfg.is_retreating(from, to) {
                    assert!(cfg.rpo_position(from) < cfg.rpo_position(to));
                }
            }
        }
    }
}

#[test]
fn deep_graphs_need_neither_stack_nor_patience() {
    let n = 200_000;
    // A chain with an edge from every block back to the first but one: n nested walks if naive.
    let chain: Vec<Vec<u32>> = (0..n)
        .map(|at| {
            if at + 1 < n {
                vec![at + 1, 1.min(at)]
            } else {
                vec![]
            }
        })
        .map(|to: Vec<u32>| to.into_iter().filter(|&t| t != 0).collect())
        .collect();
    // A ladder: two rails with rungs, entered at the top of both; iteration is quadratic on it.
    let ladder: Vec<Vec<u32>> = (0..n)
        .map(|at| match at {
            0 => vec![1, 2],
            _ if at + 2 < n => vec![at + 2, if at % 2 == 1 { at + 1 } else { at - 1 }],
            _ => vec![],
        })
        .collect();
    // Loops nested n deep.
    let nest: Vec<Vec<u32>> = (0..n)
        .map(|at| match at {
            _ if at == 0 || at < n / 2 => vec![at + 1],
            _ if at + 1 < n => vec![n - at, at + 1],
            _ => vec![],
        })
        .collect();
    for graph in [chain, ladder, nest] {
        let cfg = Cfg::new(&body(&graph));
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        assert!(dominators.dominates(BlockId(0), BlockId(n - 1)));
        assert!(loops.all().len() <= graph.len());
    }
}

#[test]
fn buffers_that_serve_again_remember_nothing() {
    let (mut cfg, mut dominators) = (Cfg::default(), Dominators::default());
    for seed in 0..1000 {
        let body = body(&random_graph(seed));
        cfg.reset(&body);
        dominators.reset(&cfg);
        let fresh = Cfg::new(&body);
        assert_eq!(cfg.rpo(), fresh.rpo(), "seed {seed}");
        let expected = Dominators::new(&fresh);
        for block in (0..body.blocks.len() as u32).map(BlockId) {
            assert_eq!(cfg.preds(block), fresh.preds(block), "seed {seed}");
            assert_eq!(cfg.succs(block), fresh.succs(block), "seed {seed}");
            assert_eq!(dominators.idom(block), expected.idom(block), "seed {seed}");
            let fresh_position = fresh.rpo_position(block);
            assert_eq!(cfg.rpo_position(block), fresh_position, "seed {seed}");
        }
    }
}
