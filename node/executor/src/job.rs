//! What is the same for every engine: the steps before a program runs, and the reading of its end.

use crate::instrument::instrument;
use crate::limits::{MEMORY_PAGES_MAX, MODULE_BYTES_MAX};
use crate::wasi::{Halt, Wasi};
use crate::{Job, Outcome, Report, TrapCode, fuel};

/// Longest reason for a rejection, in characters.
const REASON_CHARS_MAX: usize = 1_000;

/// A job that is ready for an engine.
pub(crate) struct Prepared {
    /// The module that meters itself.
    pub wasm: Vec<u8>,
    /// Fuel left when the program is entered.
    pub fuel_left: i64,
    fuel_limit: i64,
}

/// How an engine left the program.
pub(crate) struct End {
    /// The two globals behind the end.
    pub fuel_left: i64,
    pub stack_left: i32,
    /// The engine's reason, if the program did not return.
    pub trap: Option<TrapCode>,
}

/// Checks, charges and instruments. `Err` holds the report of a job that ends before it runs.
///
/// Nothing costly happens before it is charged: reading per byte of the program, compiling per byte
/// of the instrumented module, and memory and tables by their first sizes.
pub(crate) fn prepare(job: &Job<'_>) -> Result<Prepared, Report> {
    let fuel_limit = i64::try_from(job.limits.fuel_limit).unwrap_or(i64::MAX);
    let mut fuel_left = fuel_limit;
    let used = |fuel_left: i64| u64::try_from(fuel_limit - fuel_left).expect("fuel only falls");
    let rejected = |code, reason: String, fuel_left| Report {
        outcome: Outcome::Trap { code },
        fuel_used: used(fuel_left),
        log: shown(&reason).into_bytes(),
    };

    if job.program.len() > MODULE_BYTES_MAX {
        let reason =
            format!("{} bytes, where at most {MODULE_BYTES_MAX} are allowed", job.program.len());
        return Err(rejected(TrapCode::ModuleTooLarge, reason, fuel_left));
    }
    fuel_left = charge(fuel_limit, fuel_left, bytes(job.program) * fuel::PROGRAM_BYTE)?;

    let memory_pages_max = job.limits.memory_pages_max.min(MEMORY_PAGES_MAX);
    let instrumented = instrument(job.program, memory_pages_max)
        .map_err(|error| rejected(error.code, error.reason, fuel_left))?;
    let compiling = bytes(&instrumented.wasm) * fuel::COMPILED_BYTE;
    fuel_left = charge(fuel_limit, fuel_left, compiling + instrumented.setup_fuel)?;
    Ok(Prepared { wasm: instrumented.wasm, fuel_left, fuel_limit })
}

impl Prepared {
    /// The report of a program that an engine ran to its end.
    pub fn conclude(&self, wasi: Wasi, end: End) -> Report {
        if end.fuel_left < 0 {
            return Report { log: wasi.log, ..out_of_fuel(self.fuel_limit) };
        }
        // The order matters: a halt or an exhausted stack shows itself to the engine as some trap.
        let trap = match wasi.halted {
            Some(Halt::Exit(0)) => None,
            Some(Halt::Exit(status)) => Some(TrapCode::Exit(status)),
            Some(Halt::OutputTooLarge) => Some(TrapCode::OutputTooLarge),
            Some(Halt::OutOfFuel) => unreachable!("a call that lacks fuel leaves it below 0"),
            None if end.stack_left < 0 => Some(TrapCode::CallDepth),
            None => end.trap,
        };
        let outcome = match trap {
            Some(code) => Outcome::Trap { code },
            None => Outcome::Ok { output: wasi.output },
        };
        let fuel_used = u64::try_from(self.fuel_limit - end.fuel_left).expect("fuel only falls");
        Report { outcome, fuel_used, log: wasi.log }
    }
}

fn charge(fuel_limit: i64, fuel_left: i64, amount: u64) -> Result<i64, Report> {
    let left = i64::try_from(amount).ok().and_then(|amount| fuel_left.checked_sub(amount));
    left.filter(|left| *left >= 0).ok_or_else(|| out_of_fuel(fuel_limit))
}

fn out_of_fuel(fuel_limit: i64) -> Report {
    let fuel_used = u64::try_from(fuel_limit).expect("the limit comes from a u64");
    Report { outcome: Outcome::OutOfFuel, fuel_used, log: Vec::new() }
}

/// The reason for a rejection may repeat the module's own names: cut, and without what would upset a
/// terminal or a log.
fn shown(reason: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    reason.chars().take(REASON_CHARS_MAX).map(plain).collect()
}

fn bytes(slice: &[u8]) -> u64 {
    u64::try_from(slice.len()).expect("usize is at most 64 bits")
}
