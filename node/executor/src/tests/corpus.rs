//! `tests/corpus/*.wat` and generated programs, whose outcomes and fuel `expected.txt` pins.
//! `BLESS=1` writes the file anew; a change of it means a new engine.

use super::{Case, assemble};
use crate::limits::{FUNCTION_BYTES_MAX, LOCALS_MAX, MODULE_BYTES_MAX};
use crate::{Outcome, Report};
use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

const SHOWN_BYTES_MAX: usize = 64;

/// The crate's folder. Asked for when the tests run, as checkouts may share a target folder.
pub(super) fn crate_folder() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests").into()
}

fn folder() -> PathBuf {
    crate_folder().join("tests/corpus")
}

pub(super) fn program(name: &str) -> Vec<u8> {
    let path = folder().join(name).with_extension("wat");
    assemble(&fs::read_to_string(path).expect("the corpus has this file"))
}

fn case(name: &str) -> Case {
    Case::new(name, program(name))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in [
        "args",
        "branches",
        "bulk_copy",
        "bulk_table",
        "call_depth",
        "call_depth_met",
        "call_depth_wide",
        "calls",
        "calls_indirect",
        "clock",
        "control",
        "data_outside",
        "divisions",
        "elements_outside",
        "floats",
        "forbidden_import",
        "forbidden_memory",
        "forbidden_type",
        "host_bytes",
        "host_calls",
        "huge_log",
        "huge_output",
        "integers",
        "invalid",
        "memory_growth",
        "memory_too_large",
        "nan",
        "no_start",
        "off_exceptions",
        "off_externref",
        "off_memory64",
        "off_multi_memory",
        "off_simd",
        "off_tail_call",
        "off_threads",
        "random",
        "start_function",
        "start_takes_arguments",
        "wasi_errors",
    ] {
        cases.push(case(name));
    }
    cases.push(case("args").named("args, three given").args(&["one", "", "thr\u{e9}e"]));
    cases.push(case("random").named("random, other args").args(&["1"]));
    cases.push(case("memory_growth").named("memory_growth, 1 page").pages(1));
    cases.push(case("echo").input(&b"0123456789".repeat(321)));
    cases.push(case("echo").named("echo, nothing"));
    cases.push(case("exit").named("exit 0").input(&[0]));
    cases.push(case("exit").named("exit 3").input(&[3]));
    for digit in b'0'..=b'9' {
        let name = format!("traps {}", char::from(digit));
        cases.push(case("traps").named(&name).input(&[digit]));
    }
    cases.push(case("infinite_loop").fuel(50_000_000));
    cases.push(case("infinite_recursion_of_start").fuel(50_000_000));
    for (class, pages) in [("small", 64), ("middle", 1_024), ("large", 8_192)] {
        cases.push(case("memory_walk").named(&format!("memory_walk, {class}")).pages(pages));
    }
    cases.extend(bombs());
    cases.extend(rejects());
    cases
}

/// Modules that are costly to compile.
fn bombs() -> Vec<Case> {
    let sums = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 7)) (local.get 1)))";
    let long = format!(
        r#"(module (func $f (param i32 i32) {}) (func (export "_start") (call $f (i32.const 1) (i32.const 2))))"#,
        sums.repeat(20_000)
    );
    let many =
        format!(r#"(module {} (func (export "_start")))"#, "(func (loop (br 0)))".repeat(50_000));
    // Values that live over calls: what register allocation is slowest at.
    let mut calls = String::new();
    for step in 0..4_000 {
        let (to, left, right) = (step % 400, step * 7 % 400, step * 13 % 400);
        write!(calls, "(local.set {to} (call $g (local.get {left}) (local.get {right})))")
            .expect("strings take text");
    }
    let calls = format!(
        r#"(module (func $g (param i64 i64) (result i64) (local.get 0))
             (func (export "_start") (local {}) {calls}))"#,
        "i64 ".repeat(400)
    );
    let blocks = 1_000;
    let nested = format!(
        r#"(module (func (export "_start") (local i32) {} local.get 0 br_table {} {}))"#,
        "block ".repeat(blocks),
        (0..blocks).map(|depth| format!("{depth} ")).collect::<String>().repeat(5),
        "end ".repeat(blocks),
    );
    vec![
        Case::new("bomb, long function", assemble(&long)),
        Case::new("bomb, long function, little fuel", assemble(&long)).fuel(20_000_000),
        Case::new("bomb, many functions", assemble(&many)),
        Case::new("bomb, many functions, little fuel", assemble(&many)).fuel(100_000_000),
        Case::new("bomb, many calls", assemble(&calls)),
        Case::new("bomb, nested blocks", assemble(&nested)),
    ]
}

/// Bytes that are no program, and programs beyond the caps.
fn rejects() -> Vec<Case> {
    let locals = format!(
        r#"(module (func (export "_start") (local {})))"#,
        "i64 ".repeat(index(LOCALS_MAX) + 1)
    );
    let body =
        format!(r#"(module (func (export "_start") {}))"#, "nop ".repeat(FUNCTION_BYTES_MAX));
    let nested = format!(
        r#"(module (func (export "_start") {} {}))"#,
        "block ".repeat(5_000),
        "end ".repeat(5_000)
    );
    let operands = format!(
        r#"(module (func (export "_start") {} {}))"#,
        "i32.const 0 ".repeat(5_000),
        "drop ".repeat(5_000)
    );
    let table = r#"(module (table 200000 funcref) (func (export "_start")))"#;
    let mut cut = program("nan");
    cut.truncate(cut.len() / 2);
    vec![
        Case::new("no bytes", Vec::new()),
        Case::new("no module", b"#!/bin/sh\necho hello\n".to_vec()),
        Case::new("a component", b"\0asm\x0d\0\x01\0".to_vec()),
        Case::new("half a module", cut),
        Case::new("too many bytes", vec![0; MODULE_BYTES_MAX + 1]),
        Case::new("too many locals", assemble(&locals)),
        Case::new("too long a function", assemble(&body)),
        Case::new("too many nested blocks", assemble(&nested)),
        Case::new("too many operands", assemble(&operands)),
        Case::new("too large a table", assemble(table)),
    ]
}

fn index(value: u32) -> usize {
    usize::try_from(value).expect("u32 fits usize")
}

fn line(name: &str, report: &Report) -> String {
    let outcome = match &report.outcome {
        Outcome::Ok { output } if output.len() <= SHOWN_BYTES_MAX => {
            let mut text = String::from("ok ");
            output.iter().for_each(|byte| write!(text, "{byte:02x}").expect("strings take text"));
            text
        }
        Outcome::Ok { output } => {
            let hash = blake2b_simd::Params::new().hash_length(16).hash(output).to_hex();
            format!("ok {} bytes, blake2b {hash}", output.len())
        }
        Outcome::Trap { code } => format!("trap {} ({code})", code.code()),
        Outcome::OutOfFuel => "out of fuel".into(),
    };
    format!("{name}: {}, fuel {}", outcome.trim_end(), report.fuel_used)
}

#[test]
fn fixture_all_engines_give_the_pinned_outcome_and_fuel() {
    let found: String =
        cases().iter().map(|case| line(&case.name, &case.agreed()) + "\n").collect();
    let path = folder().join("expected.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &found).expect("the corpus can be written");
    }
    let expected = fs::read_to_string(&path).expect("the corpus has its expectations");
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(expected, found, "the engine changed; see the README on ids");
    }
    assert_eq!(expected.lines().count(), found.lines().count());
}

#[test]
fn the_fuel_used_is_exactly_enough() {
    for mut case in cases() {
        let report = super::OPTIMISED.execute(&case.job()).expect("wasmtime executes");
        if matches!(report.outcome, Outcome::OutOfFuel) {
            assert_eq!(report.fuel_used, case.limits.fuel_limit, "{}", case.name);
            continue;
        }
        if report.fuel_used == 0 || report.fuel_used > 200_000_000 {
            continue;
        }
        case = case.fuel(report.fuel_used);
        assert_eq!(case.agreed(), report, "{} with exactly its fuel", case.name);
        case = case.fuel(report.fuel_used - 1);
        assert_eq!(case.agreed().outcome, Outcome::OutOfFuel, "{} with one less", case.name);
    }
}

#[test]
fn the_native_stack_is_far_from_its_end_at_the_logical_limit() {
    // Functions of many values that all live over the call: the widest frames that optimisers make.
    let width = 400;
    let mut body = String::new();
    for local in 2..width {
        write!(body, "(local.set {local} (i64.mul (local.get {}) (i64.const {local})))", local - 1)
            .expect("strings take text");
    }
    let sum: String = (2..width).map(|local| format!("(i64.xor (local.get {local}))")).collect();
    let text = format!(
        r#"(module (func $f (param i64 i64) (result i64) (local {}) {body}
             (call $f (local.get {}) (local.get 0)) {sum})
           (func (export "_start") (drop (call $f (i64.const 1) (i64.const 2)))))"#,
        "i64 ".repeat(width - 2),
        width - 1,
    );
    let report = Case::new("wide frames", assemble(&text)).agreed();
    assert_eq!(report.outcome, Outcome::Trap { code: crate::TrapCode::CallDepth });
}
