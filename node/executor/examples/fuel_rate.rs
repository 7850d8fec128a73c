//! Measures fuel per second of every program of the corpus that runs long enough, the slowest first.
//! The constant `F_REF_FUEL_PER_SECOND` comes from it.
//!
//! `cargo run --release -p artel-executor --example fuel_rate [FOLDER_WITH_WASM_FILES]`

use artel_executor::{Executor, Job, Limits, Outcome};
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};

const RUNS: u32 = 3;
/// Below this the start of the thread and the instance hide the program.
const FUEL_MIN: u64 = 10_000_000;

fn main() {
    let executor = Executor::new().expect("the engine starts on machines that build it");
    let corpus = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this"))
        .join("tests/corpus");
    let mut paths = files(&corpus, "wat");
    if let Some(folder) = env::args().nth(1) {
        paths.extend(files(Path::new(&folder), "wasm"));
    }

    let mut programs = vec![("compilation".into(), compilation())];
    for path in paths {
        let name = path.file_stem().expect("files have names").to_string_lossy().into_owned();
        programs.push((name, wat::parse_file(&path).expect("the file is WebAssembly")));
    }

    let mut rates = Vec::new();
    for (name, program) in programs {
        for memory_pages_max in [64, 1_024, 16_384] {
            if let Some((rate, fuel)) = measure(&executor, &program, &name, memory_pages_max) {
                rates.push((rate, fuel, format!("{name}, {memory_pages_max} pages")));
            }
        }
    }
    rates.sort_by(|left, right| left.0.total_cmp(&right.0));
    for (rate, fuel, name) in rates {
        println!("{:8.1} M fuel/s  {:8.1} M fuel  {name}", rate / 1e6, fuel / 1e6);
    }
}

/// A program that is slow to compile and does next to nothing: values that live over many calls.
fn compilation() -> Vec<u8> {
    let call = |step: u32| {
        let (to, left, right) = (step % 400, step * 7 % 400, step * 13 % 400);
        format!("(local.set {to} (call $g (local.get {left}) (local.get {right})))")
    };
    let calls: String = (0..8_000).map(call).collect();
    let locals = "i64 ".repeat(400);
    let text = format!(
        r#"(module (func $g (param i64 i64) (result i64) (local.get 0))
             (func (export "_start") (local {locals}) {calls}))"#
    );
    wat::parse_str(text).expect("the text is WebAssembly")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

/// The best rate of a few runs, and the fuel. `None` if the program ends too early to say.
fn measure(
    executor: &Executor,
    program: &[u8],
    name: &str,
    memory_pages_max: u32,
) -> Option<(f64, f64)> {
    let args: &[&str] = match name {
        "mandelbrot" => &["400", "300", "500"],
        "pownonce" => &["17"],
        _ => &[],
    };
    let args: Vec<Vec<u8>> = args.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    let input = b"a few words that come again and again, as words do ".repeat(20_000);
    let job = Job {
        program,
        input: if name == "pownonce" { b"hello" } else { &input },
        args: &args,
        program_cid: b"cid",
        input_hash: [0; 32],
        limits: Limits { fuel_limit: 2_000_000_000, memory_pages_max, output_bytes_max: 1 << 26 },
    };
    let mut best: Option<(f64, f64)> = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        let report = executor.execute(&job).expect("the program executes");
        let seconds = start.elapsed().as_secs_f64();
        let rejected = matches!(report.outcome, Outcome::Trap { code } if code.code() >= 20);
        if report.fuel_used < FUEL_MIN || rejected {
            return None;
        }
        let fuel = report.fuel_used as f64;
        let rate = fuel / seconds;
        if best.is_none_or(|(fastest, _)| rate > fastest) {
            best = Some((rate, fuel));
        }
    }
    best
}
