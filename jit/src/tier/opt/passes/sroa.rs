//! Scalar replacement of aggregates: parts of allocas become SSA values.
//!
//! *Before*: allocas with loads, stores and copies, as clang's -O0 leaves every variable. *During*:
//! an alloca is a candidate if its address is only ever used, at constant offsets, by plain loads
//! and stores of scalars and by copies of constant length; `expand_copies` turns those copies into
//! loads and stores. The bytes accessed are grouped into *slots*: the finest runs such that no
//! access straddles two. A slot becomes a variable when all its accesses agree on one scalar, or
//! when it has at most eight bytes, which then are an integer whose parts are cut out and put in by
//! shifts (unions; a struct copied as one `i64`). *After*: variables are SSA values (see
//! [`promote`]); slots that did not qualify stay in memory, and so does every other alloca.
//!
//! # Why the value is the same
//!
//! A slot's bytes change only by its own accesses: the address went nowhere else, offsets are
//! constants within the alloca, slots do not overlap. So a load gives what the last store on the way
//! put there, converted through the bytes as memory would (`value`: integers are stored
//! zero-extended to whole bytes, and loading ignores the bits above the width). Without a store on
//! the way the bytes are unspecified; 0 is as good as any.

mod copies;
mod frontier;
mod places;
mod promote;
mod slots;
mod value;

use crate::tier::opt::graph::Graph;

/// Turns copies of constant length from and to candidate allocas into loads and stores.
pub fn expand_copies(graph: &mut Graph<'_>) {
    copies::run(graph);
}

/// Promotes slots of candidate allocas to values.
pub fn run(graph: &mut Graph<'_>) {
    let cfg = graph.cfg();
    let places = places::Places::new(graph, &cfg);
    let variables = slots::variables(graph, &places);
    if !variables.types.is_empty() {
        promote::run(graph, &cfg, &variables);
    }
}
