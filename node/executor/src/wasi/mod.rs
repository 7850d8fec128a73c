//! WASI preview-1 for commands, over plain bytes: one implementation for every engine.
//!
//! A program sees its arguments, its input on stdin, stdout and stderr, random bytes made from the
//! task, and a clock that stands still at 0. There are no files, sockets, environment or signals.

mod calls;

pub(crate) use calls::CALLS;

use crate::Job;
use crate::fuel;
use crate::limits::{LOG_BYTES_MAX, OUTPUT_BYTES_MAX};
use wasmparser::{FuncType, ValType};

/// The module that programs import from.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";
/// What stands in place of the program's name, as argument 0.
const PROGRAM_NAME: &[u8] = b"program";

/// Error numbers of WASI preview-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub u16);

impl Errno {
    const BAD_FILE: Self = Self(8);
    const FAULT: Self = Self(21);
    const INVALID: Self = Self(28);
    const NO_SYSTEM_CALL: Self = Self(52);
    const NOT_SUPPORTED: Self = Self(58);
    const NOT_SEEKABLE: Self = Self(70);
}

/// Why a program does not go on behind a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// `proc_exit` with this status.
    Exit(u32),
    /// The output would exceed the task's limit.
    OutputTooLarge,
    /// The call costs more fuel than is left. The fuel is then below 0.
    OutOfFuel,
}

/// A host call that does not succeed.
pub(crate) enum Refused {
    Errno(Errno),
    Halt(Halt),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Halt> for Refused {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// One function of WASI.
pub(crate) struct Call {
    pub name: &'static str,
    /// A letter per parameter: `i` for i32, `j` for i64.
    pub parameters: &'static str,
    pub run: fn(&mut Wasi, &mut Guest<'_>, &[u64]) -> Result<(), Refused>,
}

impl Call {
    /// Whether the call gives an error number. Only `proc_exit` gives nothing.
    pub fn has_result(&self) -> bool {
        self.name != "proc_exit"
    }

    pub fn has_type(&self, function: &FuncType) -> bool {
        let results: &[ValType] = if self.has_result() { &[ValType::I32] } else { &[] };
        let parameters = self.parameters.bytes().map(|letter| match letter {
            b'j' => ValType::I64,
            _ => ValType::I32,
        });
        function.params().iter().copied().eq(parameters) && function.results() == results
    }
}

/// The function of this name, if preview-1 has it.
pub(crate) fn find(name: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.name == name)
}

/// What a host call sees of the running program.
pub(crate) struct Guest<'a> {
    pub memory: &'a mut [u8],
    /// Fuel left; below 0 once a charge could not be met.
    pub fuel: i64,
}

impl Guest<'_> {
    fn charge(&mut self, amount: u64) -> Result<(), Halt> {
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        self.fuel = self.fuel.saturating_sub(amount);
        if self.fuel < 0 { Err(Halt::OutOfFuel) } else { Ok(()) }
    }

    fn charge_bytes(&mut self, bytes: u64) -> Result<(), Halt> {
        self.charge(bytes.saturating_mul(fuel::HOST_BYTE))
    }

    fn bytes(&mut self, pointer: u64, length: u64) -> Result<&mut [u8], Errno> {
        let start = usize::try_from(pointer).map_err(|_| Errno::FAULT)?;
        let length = usize::try_from(length).map_err(|_| Errno::FAULT)?;
        let end = start.checked_add(length).ok_or(Errno::FAULT)?;
        self.memory.get_mut(start..end).ok_or(Errno::FAULT)
    }

    fn read_u32(&mut self, pointer: u64) -> Result<u32, Errno> {
        let bytes = self.bytes(pointer, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were asked for")))
    }

    fn write(&mut self, pointer: u64, value: &[u8]) -> Result<(), Errno> {
        let length = u64::try_from(value.len()).expect("usize is at most 64 bits");
        self.bytes(pointer, length)?.copy_from_slice(value);
        Ok(())
    }

    fn write_u32(&mut self, pointer: u64, value: u32) -> Result<(), Errno> {
        self.write(pointer, &value.to_le_bytes())
    }
}

/// The world of one running program.
pub(crate) struct Wasi {
    /// Argument 0 is the program's name.
    arguments: Vec<Vec<u8>>,
    input: Vec<u8>,
    input_position: usize,
    pub output: Vec<u8>,
    output_bytes_max: u64,
    pub log: Vec<u8>,
    /// Whether stdin, stdout, stderr are open.
    open: [bool; 3],
    random: Random,
    /// Set when a host call has ended the program.
    pub halted: Option<Halt>,
}

impl Wasi {
    pub fn new(job: &Job<'_>) -> Self {
        let mut arguments = vec![PROGRAM_NAME.to_vec()];
        arguments.extend(job.args.iter().cloned());
        Self {
            arguments,
            input: job.input.to_vec(),
            input_position: 0,
            output: Vec::new(),
            output_bytes_max: job.limits.output_bytes_max.min(OUTPUT_BYTES_MAX),
            log: Vec::new(),
            open: [true; 3],
            random: Random::new(job),
            halted: None,
        }
    }

    /// Runs a call. `Ok` is the error number to give to the program, `Err` means to stop it.
    pub fn call(
        &mut self,
        call: &Call,
        guest: &mut Guest<'_>,
        arguments: &[u64],
    ) -> Result<i32, Halt> {
        let result = guest
            .charge(fuel::HOST_CALL)
            .map_err(Refused::from)
            .and_then(|()| (call.run)(self, guest, arguments));
        match result {
            Ok(()) => Ok(0),
            Err(Refused::Errno(errno)) => Ok(i32::from(errno.0)),
            Err(Refused::Halt(halt)) => {
                self.halted = Some(halt);
                Err(halt)
            }
        }
    }

    /// Appends to the log as far as there is room.
    fn write_log(&mut self, bytes: &[u8]) {
        let room = LOG_BYTES_MAX - self.log.len();
        self.log.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// The stream of random bytes: blake2b-512(key = seed, counter) for counter = 0, 1, ..., where seed =
/// blake2b-256 of a domain, the program's CID, the input's hash and the arguments, each preceded by its
/// length.
struct Random {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 64],
    used: usize,
}

impl Random {
    fn new(job: &Job<'_>) -> Self {
        let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
        let mut field = |bytes: &[u8]| {
            let length = u64::try_from(bytes.len()).expect("usize is at most 64 bits");
            state.update(&length.to_le_bytes()).update(bytes);
        };
        field(b"artel/wasm-1/random");
        field(job.program_cid);
        field(&job.input_hash);
        job.args.iter().for_each(|argument| field(argument));
        let seed = state.finalize().as_bytes().try_into().expect("32 bytes were asked for");
        Self { seed, counter: 0, block: [0; 64], used: 64 }
    }

    fn fill(&mut self, mut target: &mut [u8]) {
        while !target.is_empty() {
            if self.used == self.block.len() {
                let hash =
                    blake2b_simd::Params::new().key(&self.seed).hash(&self.counter.to_le_bytes());
                self.block.copy_from_slice(hash.as_bytes());
                self.counter += 1;
                self.used = 0;
            }
            let available = &self.block[self.used..];
            let (now, later) = target.split_at_mut(available.len().min(target.len()));
            now.copy_from_slice(&available[..now.len()]);
            self.used += now.len();
            target = later;
        }
    }
}
