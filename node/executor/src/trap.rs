//! Why a program ended without a result.

use std::fmt;

/// A deterministic failure of a program: the same on every machine, hence a result that is paid.
///
/// [`TrapCode::code`] is what goes on chain; its numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrapCode {
    /// The program ran `unreachable`, as `abort` and panics do.
    Unreachable,
    /// An access outside the linear memory.
    MemoryOutOfBounds,
    /// An access outside a table.
    TableOutOfBounds,
    /// An indirect call of an empty table slot.
    NullCall,
    /// An indirect call with another type than the function's.
    SignatureMismatch,
    /// An integer result that its type cannot hold.
    IntegerOverflow,
    /// An integer divided by zero.
    DivisionByZero,
    /// NaN converted to an integer.
    InvalidConversion,
    /// Calls nested beyond [`crate::limits::CALL_STACK_MAX`].
    CallDepth,
    /// More output than the task allows.
    OutputTooLarge,
    /// The module is not valid WebAssembly with the features of this engine.
    InvalidModule,
    /// The module exceeds a cap of [`crate::limits`].
    ModuleTooLarge,
    /// The module imports something else than a WASI preview-1 function.
    ForbiddenImport,
    /// The module has no `_start` function without parameters and results.
    NoStart,
    /// The module's memory is at first already larger than the task allows.
    MemoryTooLarge,
    /// The program ended itself with this status, which is not 0.
    Exit(u32),
}

/// First code of exit statuses. Statuses above 65,535 share the last code.
const EXIT_BASE: u32 = 0x1_0000;

impl TrapCode {
    /// The number that stands for this code in a task's outcome.
    pub fn code(self) -> u32 {
        match self {
            Self::Unreachable => 1,
            Self::MemoryOutOfBounds => 2,
            Self::TableOutOfBounds => 3,
            Self::NullCall => 4,
            Self::SignatureMismatch => 5,
            Self::IntegerOverflow => 6,
            Self::DivisionByZero => 7,
            Self::InvalidConversion => 8,
            Self::CallDepth => 9,
            Self::OutputTooLarge => 10,
            Self::InvalidModule => 20,
            Self::ModuleTooLarge => 21,
            Self::ForbiddenImport => 22,
            Self::NoStart => 23,
            Self::MemoryTooLarge => 24,
            Self::Exit(status) => EXIT_BASE + status.min(0xffff),
        }
    }

    /// The code that a number stands for, if any.
    pub fn from_code(code: u32) -> Option<Self> {
        let known = [
            Self::Unreachable,
            Self::MemoryOutOfBounds,
            Self::TableOutOfBounds,
            Self::NullCall,
            Self::SignatureMismatch,
            Self::IntegerOverflow,
            Self::DivisionByZero,
            Self::InvalidConversion,
            Self::CallDepth,
            Self::OutputTooLarge,
            Self::InvalidModule,
            Self::ModuleTooLarge,
            Self::ForbiddenImport,
            Self::NoStart,
            Self::MemoryTooLarge,
        ];
        known.into_iter().find(|known| known.code() == code).or_else(|| {
            let status = code.checked_sub(EXIT_BASE)?;
            (1..=0xffff).contains(&status).then_some(Self::Exit(status))
        })
    }
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Unreachable => "the program aborted",
            Self::MemoryOutOfBounds => "the program reached outside its memory",
            Self::TableOutOfBounds => "the program reached outside a table",
            Self::NullCall => "the program called an empty table slot",
            Self::SignatureMismatch => "the program called a function by the wrong type",
            Self::IntegerOverflow => "an integer result did not fit its type",
            Self::DivisionByZero => "the program divided an integer by zero",
            Self::InvalidConversion => "the program converted NaN to an integer",
            Self::CallDepth => "the program nested its calls too deeply",
            Self::OutputTooLarge => "the program wrote more output than the task allows",
            Self::InvalidModule => "the program is not a valid module of this engine",
            Self::ModuleTooLarge => "the program exceeds a cap of this engine",
            Self::ForbiddenImport => "the program imports something that this engine lacks",
            Self::NoStart => "the program has no `_start` function",
            Self::MemoryTooLarge => "the program needs more memory than the task allows",
            Self::Exit(status) => return write!(f, "the program exited with status {status}"),
        };
        f.write_str(text)
    }
}
