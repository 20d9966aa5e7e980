//! The functions that the linker makes: constructors, destructors, and a start without a C library.
//!
//! ```text
//! void __bf_ctors(void)      calls what llvm.global_ctors of all modules list, lowest priority first
//! void __bf_dtors(void)      calls what llvm.global_dtors list, highest priority first
//! int _start(argc, argv, envp)    __bf_ctors(); int status = main(argc, argv, envp); __bf_dtors();
//! ```
//!
//! The first two are made when someone refers to them; a C library's `_start` does. A program whose
//! entry is `main` and that comes without a `_start` gets the third if it has anything to construct
//! or destroy. So a platform enters one function ([`Program::start`](super::Program::start)) and
//! knows nothing of constructors, and all of it is ordinary IR: tiers, interpreter and reports treat
//! it like any other code.

use super::link::Joined;
use super::symbols::Place;
use alloc::vec;
use alloc::vec::Vec;
use ir::append::Appended;
use ir::types::TypeError;
use ir::{Builder, FuncId, Function, GlobalId, Linkage, Module, Op, RelocTarget, TypeId, Value};

/// The function that is entered in place of [`MAIN`] if the program has it.
pub(super) const START: &str = "_start";
/// The entry that [`START`] stands for.
pub(super) const MAIN: &str = "main";
const CONSTRUCT: &str = "__bf_ctors";
const DESTROY: &str = "__bf_dtors";
/// Bytes of an element of the lists: priority, function, data.
const ELEMENT: u32 = 12;

/// Adds what `joined` needs and lacks.
///
/// # Errors
/// The table of types is full.
pub(super) fn synthesise(joined: &mut Joined, entry: &str) -> Result<(), TypeError> {
    let first = Appended {
        func: FuncId(joined.module.funcs.len() as u32),
        global: GlobalId(joined.module.globals.len() as u32),
        alias: joined.module.aliases.len(),
    };
    let module = &joined.module;
    let constructors = listed(module, "llvm.global_ctors");
    let mut destructors = listed(module, "llvm.global_dtors");
    destructors.reverse();
    let needed = |name: &str| {
        let declared = module.funcs.iter().any(|func| func.name == name);
        declared && joined.symbols.find(name).is_none()
    };
    let (construct, destroy) = (needed(CONSTRUCT), needed(DESTROY));
    let main = match joined.symbols.find(MAIN) {
        Some(Place::Func(id)) if entry == MAIN => Some(id),
        _ => None,
    };
    let lists = !constructors.is_empty() || !destructors.is_empty();
    let start = joined.symbols.find(START).is_none() && lists;
    let module = &mut joined.module;
    for (name, list) in [
        (CONSTRUCT, construct.then_some(&constructors)),
        (DESTROY, destroy.then_some(&destructors)),
    ] {
        if let Some(list) = list {
            add(module, name, vec![], |b, module| {
                call_all(b, module, list).map(|()| None)
            })?;
        }
    }
    if let Some(main) = main.filter(|_| start) {
        let params = vec![TypeId::I32, TypeId::PTR, TypeId::PTR];
        add(module, START, params, |b, module| {
            call_all(b, module, &constructors)?;
            let status = call_main(b, module, main)?;
            call_all(b, module, &destructors)?;
            Ok(Some(status))
        })?;
    }
    joined.symbols.add(&joined.module, first);
    Ok(())
}

/// The functions that all arrays of this name list, by ascending priority, else in order.
fn listed(module: &Module, name: &str) -> Vec<FuncId> {
    let mut list = Vec::new();
    let is_list =
        |global: &&ir::Global| global.linkage == Linkage::Appending && global.name == name;
    for global in module.globals.iter().filter(is_list) {
        for reloc in global
            .relocs
            .iter()
            .filter(|reloc| reloc.offset % ELEMENT == 4)
        {
            let RelocTarget::Func(func) = reloc.target else {
                continue;
            };
            let at = (reloc.offset - 4) as usize;
            let word = global
                .init
                .get(at..at + 4)
                .and_then(|word| word.try_into().ok());
            list.push((
                u32::from_le_bytes(word.unwrap_or_default()),
                reloc.offset,
                func,
            ));
        }
    }
    list.sort_by_key(|&(priority, ..)| priority);
    list.into_iter().map(|(.., func)| func).collect()
}

/// Adds a function of that name whose one block `build` fills up to its return.
fn add(
    module: &mut Module,
    name: &str,
    params: Vec<TypeId>,
    build: impl FnOnce(&mut Builder, &mut Module) -> Result<Option<Value>, TypeError>,
) -> Result<(), TypeError> {
    let mut builder = Builder::new(params.clone());
    builder.start_block();
    let result = build(&mut builder, module)?;
    let value = result.unwrap_or(Value::NONE);
    builder.op(Op::Ret, 0, TypeId::VOID, [value.0, 0, 0]);
    let ret = result.map_or(TypeId::VOID, |_| TypeId::I32);
    let ty = module.types.function(ret, params)?;
    module.funcs.push(Function {
        name: name.into(),
        ty,
        body: Some(builder.finish()),
        ..Function::default()
    });
    Ok(())
}

/// Calls these functions, which take and give nothing.
fn call_all(builder: &mut Builder, module: &mut Module, list: &[FuncId]) -> Result<(), TypeError> {
    let ty = module.types.function(TypeId::VOID, Vec::new())?;
    for &func in list {
        call(builder, ty, TypeId::VOID, func, &[]);
    }
    Ok(())
}

/// Calls `main` with as many of the start's arguments as it takes; 0 if it gives no `int`.
fn call_main(builder: &mut Builder, module: &mut Module, main: FuncId) -> Result<Value, TypeError> {
    let given = [TypeId::I32, TypeId::PTR, TypeId::PTR];
    let ty = module.func(main).ty;
    let (ret, params) = match module.types.signature(ty) {
        Some((ret, params, false)) if given.starts_with(params) => (ret, params.len() as u32),
        _ => (TypeId::I32, 2),
    };
    let ret = if ret == TypeId::I32 {
        ret
    } else {
        TypeId::VOID
    };
    let ty = module
        .types
        .function(ret, given[..params as usize].to_vec())?;
    let args: Vec<Value> = (0..params).map(Value::arg).collect();
    let status = call(builder, ty, ret, main, &args);
    Ok(if ret == TypeId::I32 {
        status
    } else {
        builder.int(TypeId::I32, 0)
    })
}

fn call(builder: &mut Builder, ty: TypeId, ret: TypeId, func: FuncId, args: &[Value]) -> Value {
    let words = [u32::from(ty.0), 0].into_iter();
    let pool = builder.pool(words.chain(args.iter().map(|arg| arg.0)));
    builder.op(Op::Call, 0, ret, [func.0, pool, args.len() as u32])
}
