//! The instrumentation pass: checks a program against the engine's features and caps, and writes the
//! module that engines run.
//!
//! The new module meters itself. It differs from the program in this:
//! - two more globals, exported as [`FUEL_EXPORT`] and [`STACK_EXPORT`], which the host sets before
//!   anything runs and which trap the program when they fall below 0;
//! - one more function, which charges a computed amount;
//! - the start function is exported instead of run, so that the globals are set before it;
//! - memory and tables cannot grow beyond what the task and the caps allow;
//! - custom sections and unreachable code are gone, and only what the host needs is exported.
//!
//! All additions stand behind what the program has, so no index changes.

mod function;

use crate::limits::{
    CONST_OPERATORS_MAX, DATA_SEGMENTS_MAX, ELEMENT_SEGMENTS_MAX, ELEMENTS_MAX, EXPORTS_MAX,
    FUNCTIONS_MAX, GLOBALS_MAX, IMPORTS_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX, TYPE_VALUES_MAX,
    TYPES_MAX,
};
use crate::{fuel, trap::TrapCode, wasi};
use std::convert::Infallible;
use std::fmt::Display;
use wasm_encoder::reencode::{Error as ReencodeError, Reencode, RoundtripReencoder};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType,
    ImportSection, MemorySection, MemoryType, Module, TableSection, TypeSection, ValType,
};
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, FuncValidatorAllocations, Parser, Payload, TypeRef,
    ValidPayload, Validator, WasmFeatures,
};

/// The exported `i64` that holds the fuel left.
pub(crate) const FUEL_EXPORT: &str = "artel:fuel";
/// The exported `i32` that holds the weight that further frames may have.
pub(crate) const STACK_EXPORT: &str = "artel:stack";
/// The exported memory, if the program has one.
pub(crate) const MEMORY_EXPORT: &str = "artel:memory";
/// The exported start function, if the program has one.
pub(crate) const START_EXPORT: &str = "artel:start";
/// The function that a command is entered by.
pub(crate) const COMMAND_EXPORT: &str = "_start";

/// The WebAssembly features of `wasm-1`; whatever is not named here is off.
///
/// On is what compilers emit by default for `wasm32-wasi` and what is exact to the bit. Off are
/// threads and shared memory (not deterministic), SIMD (its lanes would need canonical NaNs), relaxed
/// SIMD (not deterministic), tail calls (frames would not nest), exceptions, garbage collection,
/// typed references, 64-bit and multiple memories, custom page sizes, wide arithmetic, stack
/// switching and components.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FLOATS);

/// A program that engines can run.
#[derive(Debug)]
pub(crate) struct Instrumented {
    /// The module that meters itself.
    pub wasm: Vec<u8>,
    /// Fuel for setting up its memory and tables.
    pub setup_fuel: u64,
}

/// Why a program is not run.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub code: TrapCode,
    /// For the log: what was wrong, with the value.
    pub reason: String,
}

impl Rejected {
    fn invalid(reason: impl Display) -> Self {
        Self { code: TrapCode::InvalidModule, reason: reason.to_string() }
    }

    fn too_large(what: &str, found: impl Display, most: impl Display) -> Self {
        let reason = format!("{found} {what}, where at most {most} are allowed");
        Self { code: TrapCode::ModuleTooLarge, reason }
    }
}

impl From<wasmparser::Error> for Rejected {
    fn from(error: wasmparser::Error) -> Self {
        Self::invalid(error)
    }
}

impl From<ReencodeError<Infallible>> for Rejected {
    fn from(error: ReencodeError<Infallible>) -> Self {
        Self::invalid(error)
    }
}

/// What functions need to know of the module.
struct Layout {
    memory_weight: u64,
    fuel_global: u32,
    stack_global: u32,
    charge_function: u32,
}

/// Checks `program` and writes the module that meters itself, for a task that may hold up to
/// `memory_pages_max` pages of 64 KiB.
pub(crate) fn instrument(program: &[u8], memory_pages_max: u32) -> Result<Instrumented, Rejected> {
    let mut pass = Pass::new(memory_pages_max);
    let mut validator = Validator::new_with_features(FEATURES);
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(program) {
        let payload = payload?;
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let index = function.index;
                let layout = pass.layout();
                let block_type = pass.block_type(index);
                let (function, reusable) =
                    function::rewrite(&layout, block_type, function, allocations, &body)?;
                allocations = reusable;
                pass.code.function(&function);
            }
            _ => pass.section(payload)?,
        }
    }
    pass.finish()
}

/// Sections of the new module, as far as they are read.
struct Pass {
    memory_pages_max: u32,
    types: Vec<FuncType>,
    /// For each type, the block type `[] -> results`.
    block_types: Vec<BlockType>,
    /// Type of each function, imported ones first.
    functions: Vec<u32>,
    globals_count: u32,
    elements_count: u32,
    setup_fuel: u64,
    start: Option<u32>,
    command: Option<u32>,
    /// Functions that were exported: `ref.func` may name them.
    exported: Vec<u32>,
    data_count: Option<u32>,

    type_section: TypeSection,
    import_section: ImportSection,
    function_section: FunctionSection,
    table_section: TableSection,
    memory_section: MemorySection,
    global_section: GlobalSection,
    element_section: ElementSection,
    code: CodeSection,
    data_section: DataSection,
}

impl Pass {
    fn new(memory_pages_max: u32) -> Self {
        Self {
            memory_pages_max,
            types: Vec::new(),
            block_types: Vec::new(),
            functions: Vec::new(),
            globals_count: 0,
            elements_count: 0,
            setup_fuel: 0,
            start: None,
            command: None,
            exported: Vec::new(),
            data_count: None,
            type_section: TypeSection::new(),
            import_section: ImportSection::new(),
            function_section: FunctionSection::new(),
            table_section: TableSection::new(),
            memory_section: MemorySection::new(),
            global_section: GlobalSection::new(),
            element_section: ElementSection::new(),
            code: CodeSection::new(),
            data_section: DataSection::new(),
        }
    }

    /// Code follows all sections that the layout depends on.
    fn layout(&self) -> Layout {
        Layout {
            memory_weight: fuel::memory_weight(self.memory_pages_max),
            fuel_global: self.globals_count,
            stack_global: self.globals_count + 1,
            charge_function: count(self.functions.len()),
        }
    }

    fn block_type(&self, function: u32) -> BlockType {
        let type_index = self.functions[index(function)];
        self.block_types[index(type_index)]
    }

    fn section(&mut self, payload: Payload<'_>) -> Result<(), Rejected> {
        match payload {
            Payload::TypeSection(section) => {
                at_most("types", section.count(), TYPES_MAX)?;
                self.types(section)
            }
            Payload::ImportSection(section) => {
                at_most("imports", section.count(), IMPORTS_MAX)?;
                self.imports(section)
            }
            Payload::FunctionSection(section) => {
                at_most("functions", section.count(), FUNCTIONS_MAX)?;
                for type_index in section {
                    let type_index = type_index?;
                    self.functions.push(type_index);
                    self.function_section.function(type_index);
                }
                Ok(())
            }
            Payload::TableSection(section) => {
                at_most("tables", section.count(), TABLES_MAX)?;
                self.tables(section)
            }
            Payload::MemorySection(section) => self.memory(section),
            Payload::GlobalSection(section) => {
                at_most("globals", section.count(), GLOBALS_MAX)?;
                self.globals_count = section.count();
                for global in section {
                    let global = global?;
                    check_const(&global.init_expr)?;
                    RoundtripReencoder.parse_global(&mut self.global_section, global)?;
                }
                Ok(())
            }
            Payload::ExportSection(section) => {
                at_most("exports", section.count(), EXPORTS_MAX)?;
                self.exports(section)
            }
            Payload::StartSection { func, .. } => {
                self.start = Some(func);
                Ok(())
            }
            Payload::ElementSection(section) => {
                at_most("element segments", section.count(), ELEMENT_SEGMENTS_MAX)?;
                self.elements(section)
            }
            Payload::DataCountSection { count, .. } => {
                at_most("data segments", count, DATA_SEGMENTS_MAX)?;
                self.data_count = Some(count);
                Ok(())
            }
            Payload::CodeSectionStart { .. } => self.check_command(),
            Payload::DataSection(section) => {
                at_most("data segments", section.count(), DATA_SEGMENTS_MAX)?;
                for data in section {
                    let data = data?;
                    if let wasmparser::DataKind::Active { offset_expr, .. } = &data.kind {
                        check_const(offset_expr)?;
                    }
                    RoundtripReencoder.parse_data(&mut self.data_section, data)?;
                }
                Ok(())
            }
            // Version and end carry nothing; names and other custom sections change nothing; and the
            // validator has refused all else.
            _ => Ok(()),
        }
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'_>) -> Result<(), Rejected> {
        for group in section {
            for subtype in group?.into_types() {
                let CompositeInnerType::Func(function) = subtype.composite_type.inner else {
                    return Err(Rejected::invalid("a type that is not a function's"));
                };
                let values = function.params().len().max(function.results().len());
                if values > TYPE_VALUES_MAX {
                    return Err(Rejected::too_large("values of a type", values, TYPE_VALUES_MAX));
                }
                let encoded = RoundtripReencoder.func_type(function.clone())?;
                self.type_section.ty().func_type(&encoded);
                self.types.push(function);
            }
        }
        for function in &self.types {
            let block_type = match function.results() {
                [] => BlockType::Empty,
                [result] => BlockType::Result(RoundtripReencoder.val_type(*result)?),
                results => {
                    let results = RoundtripReencoder.val_types(results.to_vec())?;
                    let block_type = BlockType::FunctionType(self.type_section.len());
                    self.type_section.ty().function([], results);
                    block_type
                }
            };
            self.block_types.push(block_type);
        }
        Ok(())
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'_>) -> Result<(), Rejected> {
        for import in section.into_imports() {
            let import = import?;
            let forbidden = || Rejected {
                code: TrapCode::ForbiddenImport,
                reason: format!("`{}` of `{}` cannot be imported", import.name, import.module),
            };
            let TypeRef::Func(type_index) = import.ty else { return Err(forbidden()) };
            let function = &self.types[index(type_index)];
            let known = import.module == wasi::MODULE
                && wasi::find(import.name).is_some_and(|call| call.has_type(function));
            if !known {
                return Err(forbidden());
            }
            self.functions.push(type_index);
            let entity = EntityType::Function(type_index);
            self.import_section.import(import.module, import.name, entity);
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<(), Rejected> {
        for table in section {
            let table = table?;
            if table.ty.initial > TABLE_ELEMENTS_MAX {
                let initial = table.ty.initial;
                return Err(Rejected::too_large(
                    "elements of a table",
                    initial,
                    TABLE_ELEMENTS_MAX,
                ));
            }
            self.setup_fuel += table.ty.initial * fuel::TABLE_ELEMENT;
            let most = table.ty.maximum.unwrap_or(u64::MAX).min(TABLE_ELEMENTS_MAX);
            let mut bounded = RoundtripReencoder.table_type(table.ty)?;
            bounded.maximum = Some(most);
            self.table_section.table(bounded);
        }
        Ok(())
    }

    fn memory(&mut self, section: wasmparser::MemorySectionReader<'_>) -> Result<(), Rejected> {
        for memory in section {
            let memory = memory?;
            let allowed = u64::from(self.memory_pages_max);
            if memory.initial > allowed {
                let reason = format!(
                    "the memory starts with {} pages, where the task allows {allowed}",
                    memory.initial
                );
                return Err(Rejected { code: TrapCode::MemoryTooLarge, reason });
            }
            self.setup_fuel += memory.initial * fuel::MEMORY_PAGE;
            self.memory_section.memory(MemoryType {
                minimum: memory.initial,
                maximum: Some(memory.maximum.unwrap_or(u64::MAX).min(allowed)),
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        Ok(())
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'_>) -> Result<(), Rejected> {
        for export in section {
            let export = export?;
            if matches!(export.kind, ExternalKind::Func) {
                self.exported.push(export.index);
                if export.name == COMMAND_EXPORT {
                    self.command = Some(export.index);
                }
            }
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), Rejected> {
        for element in section {
            let element = element?;
            if let wasmparser::ElementKind::Active { offset_expr, .. } = &element.kind {
                check_const(offset_expr)?;
            }
            let found = match &element.items {
                wasmparser::ElementItems::Functions(functions) => functions.count(),
                wasmparser::ElementItems::Expressions(_, expressions) => {
                    for expression in expressions.clone() {
                        check_const(&expression?)?;
                    }
                    expressions.count()
                }
            };
            self.elements_count = self.elements_count.saturating_add(found);
            at_most("elements of segments", self.elements_count, ELEMENTS_MAX)?;
            RoundtripReencoder.parse_element(&mut self.element_section, element)?;
        }
        Ok(())
    }

    /// A command is entered by `_start: [] -> []`.
    fn check_command(&self) -> Result<(), Rejected> {
        let takes_nothing = |function: u32| {
            let function = &self.types[index(self.functions[index(function)])];
            function.params().is_empty() && function.results().is_empty()
        };
        if self.command.is_some_and(takes_nothing) {
            return Ok(());
        }
        let reason = format!("no function `{COMMAND_EXPORT}` without parameters and results");
        Err(Rejected { code: TrapCode::NoStart, reason })
    }

    fn finish(mut self) -> Result<Instrumented, Rejected> {
        // A module without code has no command either.
        self.check_command()?;
        let layout = self.layout();

        let charge_type = self.type_section.len();
        self.type_section.ty().function([ValType::I64], []);
        self.function_section.function(charge_type);
        self.code.function(&function::charge_function(layout.fuel_global));

        let variable = |val_type| GlobalType { val_type, mutable: true, shared: false };
        self.global_section.global(variable(ValType::I64), &ConstExpr::i64_const(0));
        self.global_section.global(variable(ValType::I32), &ConstExpr::i32_const(0));

        if !self.exported.is_empty() {
            self.element_section.declared(Elements::Functions((&self.exported).into()));
        }

        let exports = self.new_exports(&layout);
        let mut module = Module::new();
        module
            .section(&self.type_section)
            .section(&self.import_section)
            .section(&self.function_section)
            .section(&self.table_section)
            .section(&self.memory_section)
            .section(&self.global_section)
            .section(&exports)
            .section(&self.element_section);
        if let Some(count) = self.data_count {
            module.section(&DataCountSection { count });
        }
        module.section(&self.code).section(&self.data_section);
        Ok(Instrumented { wasm: module.finish(), setup_fuel: self.setup_fuel })
    }

    fn new_exports(&self, layout: &Layout) -> ExportSection {
        let mut exports = ExportSection::new();
        exports.export(FUEL_EXPORT, ExportKind::Global, layout.fuel_global);
        exports.export(STACK_EXPORT, ExportKind::Global, layout.stack_global);
        if !self.memory_section.is_empty() {
            exports.export(MEMORY_EXPORT, ExportKind::Memory, 0);
        }
        if let Some(start) = self.start {
            exports.export(START_EXPORT, ExportKind::Func, start);
        }
        if let Some(command) = self.command {
            exports.export(COMMAND_EXPORT, ExportKind::Func, command);
        }
        exports
    }
}

fn at_most(what: &str, found: u32, most: u32) -> Result<(), Rejected> {
    if found > most { Err(Rejected::too_large(what, found, most)) } else { Ok(()) }
}

/// Const expressions run before fuel is counted, so they are kept short.
fn check_const(expression: &wasmparser::ConstExpr<'_>) -> Result<(), Rejected> {
    for (position, operator) in expression.get_operators_reader().into_iter().enumerate() {
        operator?;
        if position > CONST_OPERATORS_MAX {
            let found = position + 1;
            return Err(Rejected::too_large("const operators", found, CONST_OPERATORS_MAX));
        }
    }
    Ok(())
}

fn index(value: u32) -> usize {
    usize::try_from(value).expect("the crate supports targets of 32 bits and more")
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("caps keep counts within u32")
}
