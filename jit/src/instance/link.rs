//! Linking: from module files and archives to one module in which every name means something.
//!
//! ```text
//! join   modules in order, then members of archives until nothing that is wanted can be had,
//!        then the functions that the linker makes itself (`start`)
//! bind   for each function a number, for each variable the place of its definition
//! ```
//!
//! Bodies keep naming what their file declared; what that means stands beside the module, in
//! [`Bindings`](crate::tier::Bindings), and never changes. A function's number is the index of its
//! definition, so all declarations of a symbol lead to one slot, one stub, one pointer value.
//!
//! Names that nobody defines mean, in this order: a helper blob ([`Helper`]), a host call, nothing.
//! Nothing is fine for a weak reference and for one that nobody uses; all others are one error that
//! lists every name with its users. Helpers come before archives, so the copies of `memcpy` and
//! `setjmp` that a C library may have stay there; a module of the program may define its own.
//!
//! Time is linear in what is joined: each name is looked up once a declaration, each archive once a
//! name.

use super::archive::{Archive, ArchiveError};
use super::program::Binding;
use super::start;
use super::symbols::{Place, Symbols};
use super::users;
use crate::abi;
use crate::helpers::Helper;
use crate::load::{self, LoadError, MAX_INIT_BYTES};
use ::abi::HostCall;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use hashbrown::HashMap;
use ir::types::TypeError;
use ir::{FuncId, GlobalId, Linkage, Module, TypeId, Types};

/// What a program is made of.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a program has a few inputs, and each is moved once"
)]
pub enum Input<'a> {
    /// A module, all of which belongs to the program.
    Module(Module),
    /// An archive, of which the members belong to the program that define what is wanted.
    Archive(Archive<'a>),
}

/// A module of a program: which part of the joined module came from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// Its first function; the rest follow up to the next unit's first.
    pub func: u32,
    /// Its first variable.
    pub global: u32,
}

/// A symbol that is needed and that nobody defines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unresolved {
    /// Its name.
    pub name: String,
    /// Functions and variables that use it, with their modules; the first few.
    pub users: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// Two definitions of a symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duplicate {
    /// Its name.
    pub name: String,
    /// A module that defines it.
    pub first: String,
    /// The other one.
    pub second: String,
}

/// Why modules are not a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkError {
    /// Nobody defines these symbols.
    Unresolved(Vec<Unresolved>),
    /// These are defined twice.
    Duplicates(Vec<Duplicate>),
    /// A symbol is a function in the first module and a variable in the second, or is thread-local
    /// in only one of them.
    Kind(Duplicate),
    /// An archive is damaged.
    Archive(String, ArchiveError),
    /// A member of an archive cannot be loaded.
    Member(String, LoadError),
    /// The module's types do not fit into the program's table.
    Types(String, TypeError),
    /// The globals do not fit: so many bytes of so many.
    GlobalsTooLarge(u64, u32),
    /// Initial values of all modules, with the gaps between them, are too many bytes, of so many.
    InitialValuesTooLarge(u64, usize),
    /// The thread-local variables do not fit: so many bytes of so many.
    ThreadLocalsTooLarge(u64, u32),
    /// More functions than slots.
    TooManyFunctions(usize),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(symbols) => {
                f.write_str("unresolved symbols:")?;
                symbols
                    .iter()
                    .try_for_each(|symbol| write!(f, "\n  {symbol}"))
            }
            Self::Duplicates(symbols) => {
                f.write_str("symbols defined twice:")?;
                symbols.iter().try_for_each(|symbol| {
                    let Duplicate {
                        name,
                        first,
                        second,
                    } = symbol;
                    write!(f, "\n  {name}: in {first} and in {second}")
                })
            }
            Self::Kind(Duplicate {
                name,
                first,
                second,
            }) => write!(
                f,
                "symbol `{name}` is of one kind in {first} and of another in {second}"
            ),
            Self::Archive(name, why) => write!(f, "{name}: {why}"),
            Self::Member(name, why) => write!(f, "{name}: {why}"),
            Self::Types(name, why) => write!(f, "{name}: types of the program: {why:?}"),
            Self::GlobalsTooLarge(bytes, limit) => {
                write!(f, "globals need {bytes} bytes, the limit is {limit}")
            }
            Self::InitialValuesTooLarge(bytes, limit) => {
                write!(f, "initial values need {bytes} bytes, the limit is {limit}")
            }
            Self::ThreadLocalsTooLarge(bytes, limit) => {
                write!(
                    f,
                    "thread-local variables need {bytes} bytes, the limit is {limit}"
                )
            }
            Self::TooManyFunctions(count) => {
                write!(f, "{count} functions, the limit is {}", max_funcs())
            }
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: used by {}", self.name, self.users.join(", "))?;
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        Ok(())
    }
}

/// Most functions of a program.
pub(super) const fn max_funcs() -> u32 {
    abi::MAX_SLOTS - abi::RESERVED_SLOTS
}

/// All modules as one, and what their names mean.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) module: Module,
    pub(super) symbols: Symbols,
    pub(super) units: Vec<Unit>,
    /// Of all initial values so far. A small file can have many, so they are counted before the next one is read.
    init_bytes: u64,
}

impl Joined {
    /// Joins modules, what they need of archives, and what the linker makes. The program starts at
    /// `entry`.
    pub(super) fn new(inputs: Vec<Input<'_>>, entry: &str) -> Result<Self, LinkError> {
        let mut joined = Self {
            module: Module::default(),
            symbols: Symbols::default(),
            units: Vec::new(),
            init_bytes: 0,
        };
        let mut archives = Vec::new();
        for input in inputs {
            match input {
                Input::Module(module) => joined.add(module)?,
                Input::Archive(archive) => archives.push(archive),
            }
        }
        joined.module.name = joined
            .units
            .first()
            .map_or_else(String::new, |unit| unit.name.clone());
        let has_start = archives
            .iter()
            .any(|archive| archive.defines(start::START).is_some());
        if entry == start::MAIN && has_start {
            joined.symbols.want(start::START);
        }
        joined.take_members(&archives)?;
        joined.begin_unit(String::from("the linker"));
        start::synthesise(&mut joined, entry)
            .map_err(|why| LinkError::Types(String::from("the linker"), why))?;
        let duplicates = joined.symbols.duplicates(|place| joined.unit_of(place));
        if !duplicates.is_empty() {
            return Err(LinkError::Duplicates(duplicates));
        }
        if joined.module.funcs.len() > max_funcs() as usize {
            return Err(LinkError::TooManyFunctions(joined.module.funcs.len()));
        }
        Ok(joined)
    }

    fn begin_unit(&mut self, name: String) {
        self.units.push(Unit {
            name,
            func: self.module.funcs.len() as u32,
            global: self.module.globals.len() as u32,
        });
    }

    fn add(&mut self, module: Module) -> Result<(), LinkError> {
        let init = module.globals.iter().map(|global| global.init.len() as u64);
        self.init_bytes += init.sum::<u64>();
        if self.init_bytes > MAX_INIT_BYTES as u64 {
            return Err(LinkError::InitialValuesTooLarge(
                self.init_bytes,
                MAX_INIT_BYTES,
            ));
        }
        self.begin_unit(module.name.clone());
        let name = module.name.clone();
        let at = self
            .module
            .append(module)
            .map_err(|why| LinkError::Types(name, why))?;
        self.symbols.add(&self.module, at);
        Ok(())
    }

    /// Takes members while one defines something that is wanted. Each member is taken once: when it
    /// is in, what it defines is no longer wanted, and a name is looked for once.
    fn take_members(&mut self, archives: &[Archive<'_>]) -> Result<(), LinkError> {
        let mut taken = hashbrown::HashSet::new();
        loop {
            let wanted = self.symbols.take_wanted();
            if wanted.is_empty() {
                return Ok(());
            }
            for name in wanted.iter().filter(|name| !is_provided(name)) {
                // A member that came in since may have defined it.
                if self.symbols.find(name).is_some() {
                    continue;
                }
                let find = |archive: &Archive<'_>| archive.defines(name);
                let found = archives
                    .iter()
                    .enumerate()
                    .find_map(|(at, archive)| Some((at, find(archive)?)));
                if let Some((at, offset)) = found
                    && taken.insert((at, offset))
                {
                    self.take_member(&archives[at], offset)?;
                }
            }
        }
    }

    fn take_member(&mut self, archive: &Archive<'_>, offset: u32) -> Result<(), LinkError> {
        let member = archive
            .member(offset)
            .map_err(|why| LinkError::Archive(archive.name.clone(), why))?;
        let title = archive.title(&member);
        let mut module =
            load::module(member.bytes).map_err(|why| LinkError::Member(title.clone(), why))?;
        module.name = title;
        self.add(module)
    }

    /// The name of the module that a definition is in.
    pub(super) fn unit_of(&self, place: Place) -> String {
        match place {
            Place::Func(id) => unit_name(&self.units, |unit| unit.func <= id.0),
            Place::Global(id, _) => unit_name(&self.units, |unit| unit.global <= id.0),
        }
        .into()
    }
}

/// The name of the last unit that does not begin behind a symbol.
pub(super) fn unit_name(units: &[Unit], begins_before: impl Fn(&Unit) -> bool) -> &str {
    let at = units.partition_point(begins_before);
    at.checked_sub(1).map_or("", |at| &units[at].name)
}

/// Whether the runtime provides a function of that name.
fn is_provided(name: &str) -> bool {
    Helper::from_symbol(name).is_some() || HostCall::from_symbol(name).is_some()
}

/// What the variable of a declaration is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variable {
    /// Its own place in memory.
    Own,
    /// So many bytes into another.
    In(GlobalId, i32),
    /// A function's stub.
    Stub(u32),
    /// Nothing: its address is null.
    Null,
}

/// What every function and variable of a joined module means.
#[derive(Debug)]
pub(super) struct Bound {
    /// By function: the number of its definition.
    pub(super) funcs: Vec<u32>,
    /// By number: what is there.
    pub(super) imports: Vec<Binding>,
    /// By function: the type of its definition.
    pub(super) types: Vec<TypeId>,
    pub(super) globals: Vec<Variable>,
}

/// Gives every symbol its meaning.
pub(super) fn bind(joined: &mut Joined) -> Result<Bound, LinkError> {
    align_commons(joined);
    let mut bound = Bound {
        funcs: Vec::new(),
        imports: vec![Binding::Null; joined.module.funcs.len()],
        types: Vec::new(),
        globals: Vec::new(),
    };
    let mut missing = Vec::new();
    // The runtime's functions and what stays null get the number of their first declaration.
    let mut firsts = HashMap::new();
    for index in 0..joined.module.funcs.len() {
        let number = bind_function(joined, index as u32, &mut firsts, &mut bound, &mut missing)?;
        bound.funcs.push(number);
        bound.types.push(TypeId::VOID);
    }
    for index in 0..joined.module.funcs.len() {
        let number = bound.funcs[index] as usize;
        bound.types[index] = match bound.imports[number] {
            Binding::Host(call) => host_type(&mut joined.module.types, call.signature()),
            Binding::Helper(helper) => helper.ty(&mut joined.module.types),
            _ => None,
        }
        .unwrap_or(joined.module.funcs[number].ty);
    }
    for index in 0..joined.module.globals.len() {
        let variable = bind_variable(joined, index as u32, &bound.funcs, &mut missing)?;
        bound.globals.push(variable);
    }
    let unresolved = users::of(joined, &missing);
    if unresolved.is_empty() {
        Ok(bound)
    } else {
        Err(LinkError::Unresolved(unresolved))
    }
}

/// The number of function `index`. A body that another definition replaced gets no callers.
fn bind_function(
    joined: &Joined,
    index: u32,
    firsts: &mut HashMap<String, u32>,
    bound: &mut Bound,
    missing: &mut Vec<Place>,
) -> Result<u32, LinkError> {
    let func = &joined.module.funcs[index as usize];
    let own = Place::Func(FuncId(index));
    let place = match func.linkage {
        Linkage::Internal | Linkage::Appending => func.body.is_some().then_some(own),
        _ if func.name.is_empty() => func.body.is_some().then_some(own),
        _ => joined.symbols.find(&func.name),
    };
    match place {
        Some(Place::Func(id)) => {
            let here = &mut bound.imports[index as usize];
            *here = if id.0 == index {
                Binding::Defined
            } else {
                Binding::Elsewhere(id.0)
            };
            return Ok(id.0);
        }
        Some(place @ Place::Global(..)) => return Err(kind_error(joined, &func.name, own, place)),
        None => {}
    }
    let first = *firsts.entry_ref(func.name.as_str()).or_insert(index);
    let here = &mut bound.imports[index as usize];
    if let Some(helper) = Helper::from_symbol(&func.name) {
        *here = Binding::Helper(helper);
    } else if let Some(call) = HostCall::from_symbol(&func.name) {
        *here = Binding::Host(call);
    } else if func.linkage != Linkage::ExternWeak && !func.name.starts_with("llvm.") {
        missing.push(own);
    }
    if first != index {
        *here = Binding::Elsewhere(first);
    }
    Ok(first)
}

fn bind_variable(
    joined: &Joined,
    index: u32,
    funcs: &[u32],
    missing: &mut Vec<Place>,
) -> Result<Variable, LinkError> {
    let global = &joined.module.globals[index as usize];
    let own = Place::Global(GlobalId(index), 0);
    match global.linkage {
        Linkage::Appending => return Ok(Variable::Null),
        Linkage::Internal => return Ok(Variable::Own),
        _ if global.name.is_empty() => return Ok(Variable::Own),
        _ => {}
    }
    match joined.symbols.find(&global.name) {
        Some(place) if place == own => Ok(Variable::Own),
        Some(place @ Place::Global(id, offset)) => {
            let other = &joined.module.globals[id.index()];
            if other.thread_local != global.thread_local {
                return Err(kind_error(joined, &global.name, own, place));
            }
            Ok(Variable::In(id, offset))
        }
        Some(place @ Place::Func(_)) if global.thread_local => {
            Err(kind_error(joined, &global.name, own, place))
        }
        Some(Place::Func(id)) => Ok(Variable::Stub(funcs[id.index()])),
        None => {
            if global.linkage != Linkage::ExternWeak {
                missing.push(own);
            }
            Ok(Variable::Null)
        }
    }
}

fn kind_error(joined: &Joined, name: &str, first: Place, second: Place) -> LinkError {
    LinkError::Kind(Duplicate {
        name: name.into(),
        first: joined.unit_of(first),
        second: joined.unit_of(second),
    })
}

/// The common definition that won is aligned as the strictest of its name asks.
fn align_commons(joined: &mut Joined) {
    for index in 0..joined.module.globals.len() {
        let global = &joined.module.globals[index];
        let (align, common) = (global.align_log2, global.linkage == Linkage::Common);
        if let Some(Place::Global(id, 0)) = joined.symbols.find(&global.name).filter(|_| common) {
            let winner = &mut joined.module.globals[id.index()];
            winner.align_log2 = winner.align_log2.max(align);
        }
    }
}

/// The function type of a signature; `None` if the table of types is full.
fn host_type(types: &mut Types, signature: ::abi::Signature) -> Option<TypeId> {
    let id = |ty: &::abi::Type| match ty {
        ::abi::Type::I32 => TypeId::I32,
        ::abi::Type::I64 => TypeId::I64,
        ::abi::Type::Ptr => TypeId::PTR,
    };
    let ret = signature.result.as_ref().map_or(TypeId::VOID, id);
    let params = signature.args.iter().map(id).collect();
    types.function(ret, params).ok()
}
