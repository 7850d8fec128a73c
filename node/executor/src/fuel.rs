//! The fuel table of engine `wasm-1`.
//!
//! One unit is about the time of one simple instruction. The table is part of the engine: whoever
//! changes a number here makes a new engine id.

use wasmparser::Operator;

/// Per byte of the program, for reading and checking it.
pub(crate) const PROGRAM_BYTE: u64 = 10;
/// Per byte of the instrumented module, for compiling it.
pub(crate) const COMPILED_BYTE: u64 = 400;
/// Per page of 64 KiB that the memory starts with or grows by, for zeroing it.
pub(crate) const MEMORY_PAGE: u64 = 16_384;
/// Per element that a table starts with or grows by, or that a bulk operation touches.
pub(crate) const TABLE_ELEMENT: u64 = 4;
/// `memory.copy`, `memory.fill` and `memory.init` pay one unit for this many bytes: 2^3.
pub(crate) const BULK_BYTES_SHIFT: u32 = 3;
/// Per call of a host function.
pub(crate) const HOST_CALL: u64 = 500;
/// Per byte that a host function moves, and per byte of the list of buffers it reads.
pub(crate) const HOST_BYTE: u64 = 2;
/// Per random byte, which is hashed: two compressions of blake2b make 64 of them.
pub(crate) const RANDOM_BYTE: u64 = 16;

/// Factor on loads and stores of a task that may hold up to `memory_pages_max` pages: the more
/// memory, the less of it is in the processor's caches.
pub(crate) fn memory_weight(memory_pages_max: u32) -> u64 {
    match memory_pages_max {
        0..=64 => 1,
        65..=1_024 => 2,
        1_025..=16_384 => 4,
        _ => 8,
    }
}

/// Fuel of one instruction, without what an operation pays for its bytes.
pub(crate) fn of_operator(operator: &Operator<'_>, memory_weight: u64) -> u64 {
    use Operator as O;
    match operator {
        O::Nop | O::Drop | O::Block { .. } | O::Loop { .. } | O::Else | O::End => 0,
        O::I32Load { .. }
        | O::I64Load { .. }
        | O::F32Load { .. }
        | O::F64Load { .. }
        | O::I32Load8S { .. }
        | O::I32Load8U { .. }
        | O::I32Load16S { .. }
        | O::I32Load16U { .. }
        | O::I64Load8S { .. }
        | O::I64Load8U { .. }
        | O::I64Load16S { .. }
        | O::I64Load16U { .. }
        | O::I64Load32S { .. }
        | O::I64Load32U { .. }
        | O::I32Store { .. }
        | O::I64Store { .. }
        | O::F32Store { .. }
        | O::F64Store { .. }
        | O::I32Store8 { .. }
        | O::I32Store16 { .. }
        | O::I64Store8 { .. }
        | O::I64Store16 { .. }
        | O::I64Store32 { .. } => memory_weight,
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => 8,
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => 12,
        O::F32Add | O::F32Sub | O::F32Mul | O::F64Add | O::F64Sub | O::F64Mul => 3,
        O::F32Div | O::F32Sqrt | O::F64Div | O::F64Sqrt => 10,
        O::F32Ceil
        | O::F32Floor
        | O::F32Trunc
        | O::F32Nearest
        | O::F64Ceil
        | O::F64Floor
        | O::F64Trunc
        | O::F64Nearest
        | O::F32Min
        | O::F32Max
        | O::F64Min
        | O::F64Max
        | O::F32DemoteF64
        | O::F64PromoteF32
        | O::I32TruncF32S
        | O::I32TruncF32U
        | O::I32TruncF64S
        | O::I32TruncF64U
        | O::I64TruncF32S
        | O::I64TruncF32U
        | O::I64TruncF64S
        | O::I64TruncF64U
        | O::I32TruncSatF32S
        | O::I32TruncSatF32U
        | O::I32TruncSatF64S
        | O::I32TruncSatF64U
        | O::I64TruncSatF32S
        | O::I64TruncSatF32U
        | O::I64TruncSatF64S
        | O::I64TruncSatF64U => 6,
        O::BrTable { .. } => 4,
        O::Call { .. } => 10,
        O::CallIndirect { .. } => 20,
        O::MemoryGrow { .. } | O::TableGrow { .. } => 500,
        O::MemoryCopy { .. }
        | O::MemoryFill { .. }
        | O::MemoryInit { .. }
        | O::DataDrop { .. }
        | O::TableCopy { .. }
        | O::TableFill { .. }
        | O::TableInit { .. }
        | O::ElemDrop { .. } => 50,
        O::TableGet { .. } | O::TableSet { .. } | O::RefFunc { .. } => 20,
        _ => 1,
    }
}
