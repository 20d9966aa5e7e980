//! Each bound of the linker: what is at it is linked, one more is refused by name.
#![expect(clippy::unwrap_used, reason = "a test")]

use ir::{Function, Global, Linkage, Module, Type, TypeId};
use jit::abi;
use jit::instance::grants::{GrantError, Grants, MAX_GRANTS, MAX_NAME};
use jit::instance::{Input, LinkError, Program};
use jit::load::MAX_INIT_BYTES;

fn global(init: &[u8], size: u32) -> Global {
    Global {
        defined: true,
        linkage: Linkage::Internal,
        size,
        init: init.to_vec(),
        ..Global::default()
    }
}

fn with_globals(globals: Vec<Global>) -> Module {
    Module {
        globals,
        ..Module::default()
    }
}

fn link(modules: Vec<Module>) -> Result<Program, LinkError> {
    Program::link(modules.into_iter().map(Input::Module).collect(), "main")
}

/// Modules of `parts`, and of `parts` with one more in the last, are linked and refused.
fn bound(modules: impl Fn(u64) -> Vec<Module>, at: u64, is_it: fn(&LinkError) -> bool) {
    assert_eq!(link(modules(at)).map(drop), Ok(()));
    let refused = link(modules(at + 1)).map(drop).unwrap_err();
    assert!(is_it(&refused), "{refused}");
}

#[test]
fn functions_of_a_program() {
    let of = |count: u64| {
        let func = Function {
            linkage: Linkage::ExternWeak,
            ..Function::default()
        };
        let [first, second] = [100, count as usize - 100].map(|count| Module {
            funcs: vec![func.clone(); count],
            ..Module::default()
        });
        vec![first, second]
    };
    let most = abi::MAX_SLOTS - abi::RESERVED_SLOTS;
    bound(of, most.into(), |why| {
        matches!(why, LinkError::TooManyFunctions(_))
    });
}

#[test]
fn types_of_a_program() {
    let of = |count: u64| {
        let module = |lengths: core::ops::Range<u32>| {
            // A module without anything would not be joined but replaced.
            let mut module = with_globals(vec![global(&[], 4)]);
            for len in lengths {
                let elem = TypeId::I32;
                module.types.intern(Type::Array { elem, len }).unwrap();
            }
            module
        };
        let half = count as u32 / 2;
        vec![module(0..half), module(half..count as u32)]
    };
    let before = Module::default().types.len() as u64;
    bound(of, (1 << 16) - before, |why| {
        matches!(why, LinkError::Types(..))
    });
}

#[test]
fn memory_of_all_variables() {
    let of = |bytes: u64| {
        let rest = bytes as u32 - (1 << 30);
        vec![
            with_globals(vec![global(&[], 1 << 30)]),
            with_globals(vec![global(&[], rest)]),
        ]
    };
    let most = abi::STACKS - abi::GLOBALS;
    bound(of, most.into(), |why| {
        matches!(why, LinkError::GlobalsTooLarge(..))
    });
}

#[test]
fn thread_local_variables() {
    let of = |bytes: u64| {
        let local = |size| Global {
            thread_local: true,
            ..global(&[], size)
        };
        vec![
            with_globals(vec![local(1000)]),
            with_globals(vec![local(bytes as u32 - 1000)]),
        ]
    };
    bound(of, 256 << 10, |why| {
        matches!(why, LinkError::ThreadLocalsTooLarge(..))
    });
}

#[test]
fn initial_values_of_all_modules_together() {
    let of = |bytes: u64| {
        let half = vec![1; MAX_INIT_BYTES / 2];
        let rest = vec![1; bytes as usize - half.len()];
        [half, rest]
            .map(|init| with_globals(vec![global(&init, init.len() as u32)]))
            .into()
    };
    let is_it: fn(&LinkError) -> bool = |why| matches!(why, LinkError::InitialValuesTooLarge(..));
    bound(of, MAX_INIT_BYTES as u64, is_it);
}

#[test]
fn gaps_between_initial_values() {
    // A byte every 64 KiB: little to say, much to fill in.
    let of = |count: u64| {
        let aligned = Global {
            align_log2: 16,
            ..global(&[1], 1)
        };
        vec![with_globals(vec![aligned; count as usize])]
    };
    let is_it: fn(&LinkError) -> bool = |why| matches!(why, LinkError::InitialValuesTooLarge(..));
    bound(of, MAX_INIT_BYTES as u64 >> 16, is_it);
}

#[test]
fn directories_and_their_names() {
    let names: Vec<String> = (0..=MAX_GRANTS).map(|number| number.to_string()).collect();
    let given: Vec<_> = names
        .iter()
        .map(|name| ("/", Some(name.as_str())))
        .collect();
    assert!(Grants::new(&given[..MAX_GRANTS]).is_ok());
    assert_eq!(Grants::new(&given), Err(GrantError::TooMany));
    let long = "n".repeat(MAX_NAME + 1);
    assert!(Grants::new(&[("/", Some(&long[1..]))]).is_ok());
    assert_eq!(
        Grants::new(&[("/", Some(&long))]),
        Err(GrantError::Name(long.clone()))
    );
}
