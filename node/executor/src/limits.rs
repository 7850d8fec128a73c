//! Caps of engine `wasm-1`. They are part of the engine: a program outside them is refused on every machine.

/// Most bytes of a program, custom sections included.
pub const MODULE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most types of a module.
pub const TYPES_MAX: u32 = 16_384;
/// Most parameters, and most results, of one function type.
pub const TYPE_VALUES_MAX: usize = 128;
/// Most imports of a module. Each must be a WASI preview-1 function.
pub const IMPORTS_MAX: u32 = 256;
/// Most functions that a module defines.
pub const FUNCTIONS_MAX: u32 = 65_536;
/// Most globals of a module.
pub const GLOBALS_MAX: u32 = 4_096;
/// Most exports of a module.
pub const EXPORTS_MAX: u32 = 16_384;
/// Most tables of a module.
pub const TABLES_MAX: u32 = 16;
/// Most elements of one table; `table.grow` beyond it returns -1.
pub const TABLE_ELEMENTS_MAX: u64 = 131_072;
/// Most element segments, and most elements over all of them.
pub const ELEMENT_SEGMENTS_MAX: u32 = 4_096;
/// Most elements over all element segments.
pub const ELEMENTS_MAX: u32 = 262_144;
/// Most data segments.
pub const DATA_SEGMENTS_MAX: u32 = 16_384;
/// Most bytes of one function's body.
pub const FUNCTION_BYTES_MAX: usize = 512 * 1024;
/// Most locals of one function, parameters included.
pub const LOCALS_MAX: u32 = 4_096;
/// Most values on one function's operand stack.
pub const OPERANDS_MAX: u32 = 4_096;
/// Most blocks around one instruction. Compilers nest one block per case of a `switch`.
pub const NESTING_MAX: usize = 4_096;
/// Most targets of one `br_table`.
pub const BR_TABLE_TARGETS_MAX: u32 = 8_192;
/// Most bytes of const expressions' operators (globals, segments' offsets, elements).
pub const CONST_OPERATORS_MAX: usize = 16;
/// Most pages of 64 KiB that a program can hold, whatever its task allows: the whole 32-bit space.
pub const MEMORY_PAGES_MAX: u32 = 65_536;
/// Most bytes of output, whatever the task allows.
pub const OUTPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of stderr that are kept; the rest is counted, charged and dropped.
pub const LOG_BYTES_MAX: usize = 16 * 1024;
/// Most buffers of one scattered read or gathered write.
pub const IO_VECTORS_MAX: u32 = 1_024;

/// What all frames on the call stack may weigh together, in the units of `frame_weight`.
///
/// A unit stands for at most one byte of a native frame, and the native stack is
/// [`NATIVE_STACK_BYTES`], so that this limit is always met first.
pub const CALL_STACK_MAX: u32 = 16 * 1024 * 1024;
/// Native stack that compiled code may use.
pub const NATIVE_STACK_BYTES: usize = 8 * CALL_STACK_MAX as usize;
/// Native stack of the thread that compiles and runs, host functions included. It is reserved, and
/// touched only as far as it is used.
pub const THREAD_STACK_BYTES: usize = NATIVE_STACK_BYTES + 16 * 1024 * 1024;

/// Weight of one call's frame: what a compiler can need for it on the native stack.
///
/// Locals and operands take a spill slot each; and as an optimiser may keep any computed value for
/// later, the body's length bounds the values it can keep.
pub(crate) fn frame_weight(locals: u32, operands: u32, body_bytes: usize) -> u32 {
    let body = u32::try_from(body_bytes).unwrap_or(u32::MAX);
    64u32.saturating_add(locals.saturating_add(operands).saturating_mul(16)).saturating_add(body)
}
