//! The command line of `run`.

use crate::Failure;
use crate::campaign::Campaign;
use crate::case::Source;
use crate::child::Engine;
use crate::compile::{Config, Target};
use crate::judge::Plan;
use std::path::PathBuf;

/// clang's versions, as apt has them.
const CLANGS: [u32; 3] = [14, 16, 19];

/// Reads `run`'s options.
pub(crate) fn campaign(mut parser: lexopt::Parser) -> Result<Campaign, Failure> {
    use lexopt::prelude::*;
    let mut campaign = default();
    while let Some(argument) = parser.next()? {
        let Long(option) = argument else {
            return Err(argument.unexpected().into());
        };
        let option = option.to_owned();
        if option == "resume" {
            campaign.resume = true;
            continue;
        }
        let value = parser.value()?.string()?;
        match option.as_str() {
            "count" => campaign.count = value.parse()?,
            "seed" => campaign.seed = value.parse()?,
            "jobs" => campaign.jobs = value.parse::<usize>()?.clamp(1, 64),
            "out" => campaign.out = value.into(),
            "per-case" => campaign.plan.per_case = value.parse()?,
            "interpret-every" => campaign.plan.interpret_every = value.parse::<u64>()?.max(1),
            "llc-every" => campaign.plan.llc_every = value.parse::<u64>()?.max(1),
            "sources" => campaign.sources = list(&value)?,
            "tiers" => campaign.plan.engines = list(&value)?,
            "compilers" => campaign.plan.configs = list(&value)?,
            _ => return Err(format!("no option --{option}").into()),
        }
    }
    if campaign.sources.is_empty() || campaign.plan.configs.is_empty() {
        return Err("nothing to run".into());
    }
    campaign.out = std::path::absolute(&campaign.out)?;
    Ok(campaign)
}

fn default() -> Campaign {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    Campaign {
        sources: vec![Source::Csmith, Source::Own],
        seed: 1,
        count: 100,
        jobs,
        plan: Plan {
            configs: configs(),
            per_case: 2,
            engines: Engine::ALL.to_vec(),
            interpret_every: 4,
            llc_every: 8,
        },
        out: target.join("bareflow/conformance"),
        resume: false,
    }
}

/// Every compiler at every level; the levels that vectorise for x86-64-v3 and without vectors too.
pub(crate) fn configs() -> Vec<Config> {
    let all = |target, levels: &'static [u32]| {
        let of = move |clang| {
            levels.iter().map(move |&level| Config {
                clang,
                level,
                target,
            })
        };
        CLANGS.into_iter().flat_map(of)
    };
    let plain = all(Target::Sse2, &[0, 1, 2, 3]);
    plain
        .chain(all(Target::V3, &[2, 3]))
        .chain(all(Target::Scalar, &[2, 3]))
        .collect()
}

fn list<T: std::str::FromStr<Err = String>>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(str::parse).collect()
}
