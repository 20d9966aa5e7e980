//! What is in a bitcode file, for people: `bareflow inspect`.
//!
//! Made from the reader alone, so that a file can be looked at which is not supported.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::error::LoadError;
use super::layout::OwnLayouts;
use super::types::TypeMap;

/// A definition or declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryItem {
    /// Symbol name.
    pub name: String,
    /// Bytes of bitcode of a function, bytes of memory of a variable if they are known.
    pub bytes: Option<u64>,
}

/// Contents of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Who wrote the file.
    pub producer: String,
    /// Target triple.
    pub triple: String,
    /// Name of the source file.
    pub source_file: String,
    /// Number of types.
    pub types: usize,
    /// Number of constants outside functions.
    pub constants: usize,
    /// Functions with a body, in the file's order.
    pub functions: Vec<SummaryItem>,
    /// Variables with an initial value, in the file's order.
    pub variables: Vec<SummaryItem>,
    /// Functions and variables that another module or the host has to provide.
    pub imports: Vec<String>,
    /// Intrinsics that are used.
    pub intrinsics: Vec<String>,
    /// Aliases and ifuncs.
    pub aliases: Vec<String>,
    /// Size of the bitcode in bytes.
    pub bytes: usize,
    /// Data layout string.
    pub data_layout: String,
    /// Whether it has line tables.
    pub has_lines: bool,
}

/// Lists what is in a bitcode file.
///
/// # Errors
/// When the file cannot be read at all.
pub fn summary(file: &[u8]) -> Result<Summary, LoadError> {
    let module = bitcode::Module::parse(file)?;
    Ok(Summary::new(&module))
}

impl Summary {
    fn new(module: &bitcode::Module<'_>) -> Self {
        let mut types = ir::Types::new();
        let layouts = OwnLayouts::new(module.data_layout());
        let map = TypeMap::new(module.types(), &mut types, layouts);
        let name = |name| String::from_utf8_lossy(module.name(name)).into_owned();
        let mut summary = Self {
            producer: String::from(module.producer()),
            triple: String::from(module.triple()),
            source_file: String::from(module.source_file()),
            types: module.types().len(),
            constants: module.constants().len(),
            functions: Vec::new(),
            variables: Vec::new(),
            imports: Vec::new(),
            intrinsics: Vec::new(),
            aliases: Vec::new(),
            bytes: module.bytes(),
            data_layout: String::from(module.data_layout()),
            has_lines: has_lines(module),
        };
        let aliases = module.aliases().iter();
        summary
            .aliases
            .extend(aliases.map(|alias| name(alias.name)));
        for function in module.functions() {
            let name = name(function.name);
            if !function.is_declaration {
                let bytes = Some(function.body_bytes() as u64);
                summary.functions.push(SummaryItem { name, bytes });
            } else if name.starts_with("llvm.") {
                summary.intrinsics.push(name);
            } else {
                summary.imports.push(name);
            }
        }
        for global in module.globals() {
            let name = name(global.name);
            let bytes = map
                .find(global.ty)
                .map(|ty| u64::from(map.layouts.layout(&types, ty).size));
            match global.init {
                Some(_) => summary.variables.push(SummaryItem { name, bytes }),
                None => summary.imports.push(name),
            }
        }
        summary
    }
}

/// Whether the first function that can be read has a source position.
fn has_lines(module: &bitcode::Module<'_>) -> bool {
    let mut reader = bitcode::BodyReader::new(module);
    let mut constants = bitcode::Constants::default();
    for function in (0u32..).take(module.functions().len()) {
        let Ok(Some(_)) = reader.open(function, &mut constants) else {
            continue;
        };
        while let Ok(Some(event)) = reader.next_event() {
            if matches!(event, bitcode::Event::Loc(_)) {
                return true;
            }
        }
        return false;
    }
    false
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "source     {}", self.source_file)?;
        writeln!(f, "producer   {}", self.producer)?;
        writeln!(f, "target     {}", self.triple)?;
        writeln!(f, "layout     {}", self.data_layout)?;
        writeln!(f, "bitcode    {} bytes", self.bytes)?;
        let lines = if self.has_lines { "yes" } else { "no" };
        writeln!(f, "lines      {lines}")?;
        writeln!(f, "types      {}", self.types)?;
        writeln!(f, "constants  {}", self.constants)?;
        let items = [
            ("functions", "bytes of bitcode", &self.functions),
            ("variables", "bytes", &self.variables),
        ];
        for (title, unit, items) in items {
            writeln!(f, "{title:<10} {}", items.len())?;
            for item in items {
                match item.bytes {
                    Some(bytes) => writeln!(f, "  {bytes:>10}  {}  ({unit})", item.name)?,
                    None => writeln!(f, "           ?  {}", item.name)?,
                }
            }
        }
        let names = [
            ("imports", &self.imports),
            ("aliases", &self.aliases),
            ("intrinsics", &self.intrinsics),
        ];
        for (title, names) in names {
            writeln!(f, "{title:<10} {}", names.len())?;
            for name in names {
                writeln!(f, "              {name}")?;
            }
        }
        Ok(())
    }
}
