//! Programs, checked and run with little fuel.

use super::{
    Door, Outcome,
    mutate::{Source, bytes, mutate, pick},
};
use anyhow::{Result, ensure};
use arbitrary::Unstructured;
use executor::{Executor, Job, Limits, TrapCode};
use rand::RngExt;
use std::fmt;
use wasm_smith::{Config, Module};

/// What checking, compiling and running may cost: some milliseconds.
const FUEL: u64 = 10_000_000;
/// Most bytes that are random through and through.
const RANDOM_BYTES_MAX: usize = 4_096;
/// What a module begins with.
const HEADER: &[u8] = b"\0asm\x01\0\0\0";
/// Programs of the executor's corpus, small ones that use most of what there is.
const CORPUS: &[&str] = &[
    include_str!("../../../../node/executor/tests/corpus/args.wat"),
    include_str!("../../../../node/executor/tests/corpus/bulk_table.wat"),
    include_str!("../../../../node/executor/tests/corpus/call_depth.wat"),
    include_str!("../../../../node/executor/tests/corpus/calls_indirect.wat"),
    include_str!("../../../../node/executor/tests/corpus/control.wat"),
    include_str!("../../../../node/executor/tests/corpus/echo.wat"),
    include_str!("../../../../node/executor/tests/corpus/floats.wat"),
    include_str!("../../../../node/executor/tests/corpus/forbidden_import.wat"),
    include_str!("../../../../node/executor/tests/corpus/huge_output.wat"),
    include_str!("../../../../node/executor/tests/corpus/infinite_loop.wat"),
    include_str!("../../../../node/executor/tests/corpus/memory_growth.wat"),
    include_str!("../../../../node/executor/tests/corpus/nan.wat"),
    include_str!("../../../../node/executor/tests/corpus/start_function.wat"),
    include_str!("../../../../node/executor/tests/corpus/wasi_errors.wat"),
];

pub struct Modules {
    executor: Executor,
    seeds: Vec<Vec<u8>>,
}

pub struct Input {
    program: Vec<u8>,
    stdin: Vec<u8>,
    limits: Limits,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, limits, .. } = self;
        write!(f, "{limits:?}, {} bytes: {}", program.len(), hex::encode(program))
    }
}

impl Modules {
    pub fn open() -> Result<Self> {
        let seeds = CORPUS.iter().map(wat::parse_str).collect::<Result<_, _>>()?;
        Ok(Self { executor: Executor::new()?, seeds })
    }
}

impl Door for Modules {
    type Input = Input;

    fn input(&mut self, source: &mut Source) -> Input {
        let program = match source.random_range(0..10) {
            0 => bytes(source, RANDOM_BYTES_MAX),
            1 => [HEADER, &bytes(source, RANDOM_BYTES_MAX)].concat(),
            2 | 3 => random_module(source),
            4 => {
                let mut program = random_module(source);
                mutate(source, &mut program, &self.seeds);
                program
            }
            _ => {
                let mut program = pick(source, &self.seeds).clone();
                mutate(source, &mut program, &self.seeds);
                program
            }
        };
        let limits = Limits {
            fuel_limit: *pick(source, &[FUEL, FUEL, FUEL, 100_000, 0]),
            memory_pages_max: *pick(source, &[64, 64, 1, 0, u32::MAX]),
            output_bytes_max: *pick(source, &[1 << 16, 0, 10]),
        };
        Input { program, stdin: bytes(source, 256), limits }
    }

    async fn offer(&mut self, input: &Input) -> Result<Outcome> {
        let job = Job {
            program: &input.program,
            input: &input.stdin,
            args: &[b"argument".to_vec()],
            program_cid: b"cid",
            input_hash: [7; 32],
            limits: input.limits,
        };
        // That this machine cannot execute a job is nothing that a program may cause.
        let report = self.executor.execute(&job)?;
        ensure!(report.fuel_used <= input.limits.fuel_limit, "it used {}", report.fuel_used);
        match report.outcome {
            executor::Outcome::Trap {
                code:
                    code @ (TrapCode::InvalidModule
                    | TrapCode::ModuleTooLarge
                    | TrapCode::ForbiddenImport
                    | TrapCode::NoStart
                    | TrapCode::MemoryTooLarge),
            } => {
                let why = std::str::from_utf8(&report.log)?;
                ensure!(!why.is_empty(), "'{code}' is all that is said");
                Outcome::refused(format!("{code}: {why}"))
            }
            // It was entered, or its fuel did not last until then: a result like any other, which
            // each machine must find alike.
            _ => {
                let again = self.executor.execute(&job)?;
                ensure!(again == report, "first it gave {report:?}, then {again:?}");
                Ok(Outcome::Accepted)
            }
        }
    }

    async fn finish(self) -> Result<()> {
        let echo = wat::parse_str(include_str!("../../../../node/executor/tests/corpus/echo.wat"))?;
        let job = Job {
            program: &echo,
            input: b"still here",
            args: &[],
            program_cid: b"cid",
            input_hash: [7; 32],
            limits: Limits { fuel_limit: FUEL, memory_pages_max: 64, output_bytes_max: 100 },
        };
        let outcome = self.executor.execute(&job)?.outcome;
        let expected = executor::Outcome::Ok { output: b"still here".to_vec() };
        ensure!(outcome == expected, "a good program gives {outcome:?}");
        Ok(())
    }
}

/// Valid by construction, as far as features go that the executor may lack.
fn random_module(source: &mut Source) -> Vec<u8> {
    let mut bytes = vec![0; source.random_range(64..4_096)];
    source.fill(&mut bytes[..]);
    let command = wat::parse_str(r#"(module (func (export "_start")))"#).expect("it is valid");
    let imports = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;
    let config = Config {
        exports: Some(command),
        available_imports: Some(wat::parse_str(imports).expect("it is valid")),
        simd_enabled: source.random_range(0..8) == 0,
        reference_types_enabled: false,
        max_memory32_bytes: 32 << 16,
        max_table_elements: 1_000,
        ..Config::default()
    };
    match Module::new(config, &mut Unstructured::new(&bytes)) {
        Ok(module) => module.to_bytes(),
        // Too few random bytes for a module: then they are one.
        Err(_) => [HEADER, &bytes].concat(),
    }
}
