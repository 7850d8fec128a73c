//! Rewriting of one function: fuel per basic block, weight of its frame, canonical NaNs.

use super::{Layout, Rejected};
use crate::fuel;
use crate::limits::{
    BR_TABLE_TARGETS_MAX, FUNCTION_BYTES_MAX, LOCALS_MAX, NESTING_MAX, OPERANDS_MAX, frame_weight,
};
use std::convert::Infallible;
use wasm_encoder::reencode::{Error as ReencodeError, Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Function, Ieee32, Ieee64, Instruction, ValType};
use wasmparser::{
    FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator,
    ValidatorResources,
};

/// Bits of the one NaN that arithmetic can yield.
const CANONICAL_NAN_32: u32 = 0x7fc0_0000;
const CANONICAL_NAN_64: u64 = 0x7ff8_0000_0000_0000;

#[derive(Clone, Copy)]
enum Float {
    F32,
    F64,
}

/// An instruction of the new body, and what the pass puts around it.
struct Emitted<'a> {
    /// Fuel of the basic block that begins here.
    charge: u64,
    instruction: Instruction<'a>,
    /// Set if this instruction's result can be a NaN of any bits that something may then look at.
    canonical: Option<Float>,
}

struct Control {
    /// Whether a branch leads to this block's end. (A loop's branches lead to its head.)
    joined: bool,
    is_loop: bool,
}

struct Rewriter<'a, 'l> {
    layout: &'l Layout,
    emitted: Vec<Emitted<'a>>,
    /// Where the current basic block began, and its fuel so far.
    block_start: usize,
    block_fuel: u64,
    controls: Vec<Control>,
    /// In code that no execution reaches: how many blocks deep.
    dead: Option<usize>,
    /// The top of the operand stack as this basic block filled it: which values are results of
    /// float arithmetic, by their place in `emitted`.
    floats: Vec<Option<(usize, Float)>>,
    /// First of the three locals that the pass adds: i32, f32, f64.
    scratch: u32,
    calls: bool,
}

/// Validates `body` and writes it anew; `block_type` is `[] -> results` of the function.
pub(super) fn rewrite(
    layout: &Layout,
    block_type: BlockType,
    function: FuncToValidate<ValidatorResources>,
    allocations: FuncValidatorAllocations,
    body: &FunctionBody<'_>,
) -> Result<(Function, FuncValidatorAllocations), Rejected> {
    let body_bytes = body.as_bytes().len();
    if body_bytes > FUNCTION_BYTES_MAX {
        return Err(Rejected::too_large("bytes of a function", body_bytes, FUNCTION_BYTES_MAX));
    }
    let mut validator = function.into_validator(allocations);
    let locals = read_locals(&mut validator, body)?;
    let locals_count = validator.len_locals();

    let mut rewriter = Rewriter::new(layout, locals_count);
    let mut operands_max = 0;
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        validator.op(offset, &operator)?;
        operands_max = operands_max.max(validator.operand_stack_height());
        if operands_max > OPERANDS_MAX {
            return Err(Rejected::too_large("operands of a function", operands_max, OPERANDS_MAX));
        }
        rewriter.operator(operator, &validator)?;
    }
    reader.finish()?;

    let weight = frame_weight(locals_count, operands_max, body_bytes);
    let function = rewriter.encode(locals, block_type, weight);
    Ok((function, validator.into_allocations()))
}

fn read_locals(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> Result<Vec<(u32, ValType)>, Rejected> {
    let mut locals = Vec::new();
    let mut reader = body.get_locals_reader()?;
    for _ in 0..reader.get_count() {
        let offset = reader.original_position();
        let (count, kind) = reader.read()?;
        validator.define_locals(offset, count, kind)?;
        if validator.len_locals() > LOCALS_MAX {
            let locals = validator.len_locals();
            return Err(Rejected::too_large("locals of a function", locals, LOCALS_MAX));
        }
        locals.push((count, RoundtripReencoder.val_type(kind)?));
    }
    Ok(locals)
}

impl<'a, 'l> Rewriter<'a, 'l> {
    fn new(layout: &'l Layout, scratch: u32) -> Self {
        Self {
            layout,
            emitted: Vec::new(),
            block_start: 0,
            block_fuel: 0,
            controls: vec![Control { joined: false, is_loop: false }],
            dead: None,
            floats: Vec::new(),
            scratch,
            calls: false,
        }
    }

    fn operator(
        &mut self,
        operator: Operator<'a>,
        validator: &FuncValidator<ValidatorResources>,
    ) -> Result<(), Rejected> {
        if let Some(depth) = self.dead {
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    self.dead = Some(depth + 1);
                    return Ok(());
                }
                Operator::End if depth > 0 => {
                    self.dead = Some(depth - 1);
                    return Ok(());
                }
                // These end the dead code, so they are written.
                Operator::End => {}
                Operator::Else if depth == 0 => {}
                _ => return Ok(()),
            }
        }
        self.block_fuel += fuel::of_operator(&operator, self.layout.memory_weight);
        if !self.control(&operator)? {
            self.plain(operator, validator)?;
        }
        Ok(())
    }

    /// Writes a control instruction, if it is one. Basic blocks begin and end here.
    fn control(&mut self, operator: &Operator<'a>) -> Result<bool, Rejected> {
        match operator {
            Operator::Block { .. } => {
                self.open(operator, false)?;
            }
            Operator::Loop { .. } => {
                self.open(operator, true)?;
                self.begin_block();
            }
            Operator::If { .. } => {
                self.open(operator, false)?;
                // Both ways meet behind the end.
                self.controls.last_mut().expect("open has just pushed it").joined = true;
                self.begin_block();
            }
            Operator::Else => {
                self.write(operator)?;
                self.dead = None;
                self.begin_block();
            }
            Operator::End => {
                self.write(operator)?;
                let control = self.controls.pop().expect("the validator has checked the nesting");
                let was_dead = self.dead.take().is_some();
                if was_dead || (control.joined && !control.is_loop) {
                    self.begin_block();
                }
            }
            Operator::BrIf { relative_depth } => {
                self.write(operator)?;
                self.join(*relative_depth);
                self.begin_block();
            }
            Operator::Br { relative_depth } => {
                self.write(operator)?;
                self.join(*relative_depth);
                self.dead = Some(0);
            }
            Operator::BrTable { targets } => {
                if targets.len() > BR_TABLE_TARGETS_MAX {
                    let (found, most) = (targets.len(), BR_TABLE_TARGETS_MAX);
                    return Err(Rejected::too_large("targets of a br_table", found, most));
                }
                self.write(operator)?;
                for target in targets.targets() {
                    self.join(target?);
                }
                self.join(targets.default());
                self.dead = Some(0);
            }
            Operator::Return => {
                // The frame's weight is given back behind the block that encloses the body.
                let depth = u32::try_from(self.controls.len() - 1).expect("nesting is capped");
                self.settle_floats();
                self.push(Instruction::Br(depth));
                self.dead = Some(0);
            }
            Operator::Unreachable => {
                self.write(operator)?;
                self.dead = Some(0);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Writes an instruction of straight-line code.
    fn plain(
        &mut self,
        operator: Operator<'a>,
        validator: &FuncValidator<ValidatorResources>,
    ) -> Result<(), Rejected> {
        self.calls |= matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. });
        if let Some((multiply, shift)) = units_of_bulk(&operator) {
            self.charge_bulk(multiply, shift);
        }
        let (taken, given) = operator
            .operator_arity(validator)
            .ok_or_else(|| Rejected::invalid(format!("operator without arity: {operator:?}")))?;
        let blind = is_blind_to_nan_bits(&operator);
        for _ in 0..taken {
            if let Some(Some((place, float))) = self.floats.pop()
                && !blind
            {
                self.emitted[place].canonical = Some(float);
            }
        }
        let result = float_result(&operator).map(|float| (self.emitted.len(), float));
        self.floats.extend((0..given).map(|_| result));
        self.push(encode(operator)?);
        Ok(())
    }

    fn open(&mut self, operator: &Operator<'a>, is_loop: bool) -> Result<(), Rejected> {
        if self.controls.len() > NESTING_MAX {
            return Err(Rejected::too_large("nested blocks", self.controls.len(), NESTING_MAX));
        }
        self.write(operator)?;
        self.controls.push(Control { joined: false, is_loop });
        Ok(())
    }

    fn join(&mut self, relative_depth: u32) {
        let depth = usize::try_from(relative_depth).expect("u32 fits usize");
        let index = self.controls.len() - 1 - depth;
        self.controls[index].joined = true;
    }

    /// Writes a control instruction; values do not stay raw beyond it.
    fn write(&mut self, operator: &Operator<'a>) -> Result<(), Rejected> {
        self.settle_floats();
        self.push(encode(operator.clone())?);
        Ok(())
    }

    fn push(&mut self, instruction: Instruction<'a>) {
        self.emitted.push(Emitted { charge: 0, instruction, canonical: None });
    }

    fn settle_floats(&mut self) {
        for (place, float) in self.floats.drain(..).flatten() {
            self.emitted[place].canonical = Some(float);
        }
    }

    fn begin_block(&mut self) {
        self.end_block();
        self.block_start = self.emitted.len();
    }

    fn end_block(&mut self) {
        if self.block_fuel > 0 {
            self.emitted[self.block_start].charge = self.block_fuel;
            self.block_fuel = 0;
        }
    }

    /// Charges `(n * multiply) >> shift` for the length `n` on top of the stack, which stays there.
    fn charge_bulk(&mut self, multiply: u64, shift: u32) {
        self.push(Instruction::LocalTee(self.scratch));
        self.push(Instruction::LocalGet(self.scratch));
        self.push(Instruction::I64ExtendI32U);
        self.push(Instruction::I64Const(constant(multiply)));
        self.push(Instruction::I64Mul);
        self.push(Instruction::I64Const(i64::from(shift)));
        self.push(Instruction::I64ShrU);
        self.push(Instruction::Call(self.layout.charge_function));
    }

    fn encode(
        mut self,
        mut locals: Vec<(u32, ValType)>,
        block_type: BlockType,
        weight: u32,
    ) -> Function {
        self.end_block();
        locals.extend([(1, ValType::I32), (1, ValType::F32), (1, ValType::F64)]);
        let mut function = Function::new(locals);
        // A function that calls nothing adds one frame at most, for which there is always room.
        let weight = self.calls.then(|| i32::try_from(weight).expect("caps keep frames small"));
        if let Some(weight) = weight {
            enter(&mut function, self.layout.stack_global, weight);
        }
        function.instruction(&Instruction::Block(block_type));
        for emitted in &self.emitted {
            if emitted.charge > 0 {
                charge(&mut function, self.layout.fuel_global, emitted.charge);
            }
            function.instruction(&emitted.instruction);
            match emitted.canonical {
                Some(Float::F32) => canonicalise_32(&mut function, self.scratch + 1),
                Some(Float::F64) => canonicalise_64(&mut function, self.scratch + 2),
                None => {}
            }
        }
        // The last `end` of the program's body has closed the block.
        if let Some(weight) = weight {
            leave(&mut function, self.layout.stack_global, weight);
        }
        function.instruction(&Instruction::End);
        function
    }
}

/// The function `(i64)` that charges a computed amount.
pub(super) fn charge_function(fuel_global: u32) -> Function {
    let mut function = Function::new([]);
    function
        .instruction(&Instruction::GlobalGet(fuel_global))
        .instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::I64Sub)
        .instruction(&Instruction::GlobalSet(fuel_global));
    stop_if_negative(&mut function, fuel_global);
    function.instruction(&Instruction::End);
    function
}

fn charge(function: &mut Function, fuel_global: u32, amount: u64) {
    function
        .instruction(&Instruction::GlobalGet(fuel_global))
        .instruction(&Instruction::I64Const(constant(amount)))
        .instruction(&Instruction::I64Sub)
        .instruction(&Instruction::GlobalSet(fuel_global));
    stop_if_negative(function, fuel_global);
}

/// The host tells this trap from the program's own by the global, which stays negative.
fn stop_if_negative(function: &mut Function, fuel_global: u32) {
    function
        .instruction(&Instruction::GlobalGet(fuel_global))
        .instruction(&Instruction::I64Const(0))
        .instruction(&Instruction::I64LtS)
        .instruction(&Instruction::If(BlockType::Empty))
        .instruction(&Instruction::Unreachable)
        .instruction(&Instruction::End);
}

fn enter(function: &mut Function, stack_global: u32, weight: i32) {
    function
        .instruction(&Instruction::GlobalGet(stack_global))
        .instruction(&Instruction::I32Const(weight))
        .instruction(&Instruction::I32Sub)
        .instruction(&Instruction::GlobalSet(stack_global))
        .instruction(&Instruction::GlobalGet(stack_global))
        .instruction(&Instruction::I32Const(0))
        .instruction(&Instruction::I32LtS)
        .instruction(&Instruction::If(BlockType::Empty))
        .instruction(&Instruction::Unreachable)
        .instruction(&Instruction::End);
}

fn leave(function: &mut Function, stack_global: u32, weight: i32) {
    function
        .instruction(&Instruction::GlobalGet(stack_global))
        .instruction(&Instruction::I32Const(weight))
        .instruction(&Instruction::I32Add)
        .instruction(&Instruction::GlobalSet(stack_global));
}

/// Replaces the value on top of the stack by the canonical NaN if it is any NaN.
fn canonicalise_32(function: &mut Function, scratch: u32) {
    function
        .instruction(&Instruction::LocalTee(scratch))
        .instruction(&Instruction::F32Const(Ieee32::new(CANONICAL_NAN_32)))
        .instruction(&Instruction::LocalGet(scratch))
        .instruction(&Instruction::LocalGet(scratch))
        .instruction(&Instruction::F32Eq)
        .instruction(&Instruction::Select);
}

/// As [`canonicalise_32`].
fn canonicalise_64(function: &mut Function, scratch: u32) {
    function
        .instruction(&Instruction::LocalTee(scratch))
        .instruction(&Instruction::F64Const(Ieee64::new(CANONICAL_NAN_64)))
        .instruction(&Instruction::LocalGet(scratch))
        .instruction(&Instruction::LocalGet(scratch))
        .instruction(&Instruction::F64Eq)
        .instruction(&Instruction::Select);
}

fn encode(operator: Operator<'_>) -> Result<Instruction<'_>, ReencodeError<Infallible>> {
    RoundtripReencoder.instruction(operator)
}

fn constant(amount: u64) -> i64 {
    i64::try_from(amount).expect("the fuel of a capped function is far below 2^63")
}

/// For operations that pay for the length on top of the stack: the factor and shift to fuel.
fn units_of_bulk(operator: &Operator<'_>) -> Option<(u64, u32)> {
    match operator {
        Operator::MemoryGrow { .. } => Some((fuel::MEMORY_PAGE, 0)),
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
            Some((1, fuel::BULK_BYTES_SHIFT))
        }
        Operator::TableGrow { .. }
        | Operator::TableCopy { .. }
        | Operator::TableFill { .. }
        | Operator::TableInit { .. } => Some((fuel::TABLE_ELEMENT, 0)),
        _ => None,
    }
}

/// The operations whose NaN results WebAssembly leaves open. (`abs`, `neg`, `copysign`, loads and
/// reinterpretations are exact to the bit.)
fn float_result(operator: &Operator<'_>) -> Option<Float> {
    use Operator as O;
    match operator {
        O::F32Add
        | O::F32Sub
        | O::F32Mul
        | O::F32Div
        | O::F32Sqrt
        | O::F32Min
        | O::F32Max
        | O::F32Ceil
        | O::F32Floor
        | O::F32Trunc
        | O::F32Nearest
        | O::F32DemoteF64 => Some(Float::F32),
        O::F64Add
        | O::F64Sub
        | O::F64Mul
        | O::F64Div
        | O::F64Sqrt
        | O::F64Min
        | O::F64Max
        | O::F64Ceil
        | O::F64Floor
        | O::F64Trunc
        | O::F64Nearest
        | O::F64PromoteF32 => Some(Float::F64),
        _ => None,
    }
}

/// Whether an operation's result is the same for all NaNs, so that its operands may stay raw.
fn is_blind_to_nan_bits(operator: &Operator<'_>) -> bool {
    use Operator as O;
    float_result(operator).is_some()
        || matches!(
            operator,
            O::Drop
                | O::F32Eq
                | O::F32Ne
                | O::F32Lt
                | O::F32Gt
                | O::F32Le
                | O::F32Ge
                | O::F64Eq
                | O::F64Ne
                | O::F64Lt
                | O::F64Gt
                | O::F64Le
                | O::F64Ge
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
                | O::I64TruncSatF64U
        )
}
