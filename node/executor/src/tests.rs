//! The corpus with its pinned outcomes, the sample programs, and random modules: always on wasmtime at
//! two optimisation levels and on wasmi.

mod corpus;
mod pieces;
mod programs;
mod random;

use crate::{Executor, Job, Limits, Outcome, Report, oracle};
use std::sync::LazyLock;
use wasmtime::OptLevel;

static OPTIMISED: LazyLock<Executor> = LazyLock::new(|| executor(OptLevel::Speed));
static PLAIN: LazyLock<Executor> = LazyLock::new(|| executor(OptLevel::None));

fn executor(level: OptLevel) -> Executor {
    Executor::with_optimisation(level).expect("the engine starts on machines that build it")
}

/// A job that owns its parts.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    program: Vec<u8>,
    input: Vec<u8>,
    args: Vec<Vec<u8>>,
    limits: Limits,
}

impl Case {
    fn new(name: &str, program: Vec<u8>) -> Self {
        let limits =
            Limits { fuel_limit: 2_000_000_000, memory_pages_max: 64, output_bytes_max: 1 << 20 };
        Self { name: name.into(), program, input: Vec::new(), args: Vec::new(), limits }
    }

    fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    fn input(self, input: &[u8]) -> Self {
        Self { input: input.to_vec(), ..self }
    }

    fn args(self, args: &[&str]) -> Self {
        Self { args: args.iter().map(|argument| argument.as_bytes().to_vec()).collect(), ..self }
    }

    fn fuel(mut self, fuel_limit: u64) -> Self {
        self.limits.fuel_limit = fuel_limit;
        self
    }

    fn pages(mut self, memory_pages_max: u32) -> Self {
        self.limits.memory_pages_max = memory_pages_max;
        self
    }

    fn job(&self) -> Job<'_> {
        Job {
            program: &self.program,
            input: &self.input,
            args: &self.args,
            program_cid: b"cid",
            input_hash: [7; 32],
            limits: self.limits,
        }
    }

    /// Runs the case on all engines, which must agree.
    fn agreed(&self) -> Report {
        let optimised = OPTIMISED.execute(&self.job()).expect("wasmtime executes");
        let plain = PLAIN.execute(&self.job()).expect("wasmtime executes without optimisation");
        assert_eq!(optimised, plain, "{}: the optimisation levels differ", self.name);
        let oracle = oracle::execute(&self.job()).expect("the oracle executes");
        assert_eq!(optimised, oracle, "{}: wasmtime and wasmi differ", self.name);
        optimised
    }

    /// The output, on all engines.
    fn output(&self) -> Vec<u8> {
        let report = self.agreed();
        match report.outcome {
            Outcome::Ok { output } => output,
            other => panic!("{}: {other:?}, {}", self.name, String::from_utf8_lossy(&report.log)),
        }
    }
}

fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's text is WebAssembly")
}
