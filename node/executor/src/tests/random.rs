//! Random and mutated modules: no panic, and all engines agree.

use super::{Case, assemble, corpus};
use arbitrary::Unstructured;
use proptest::prelude::*;
use std::fmt::Write;
use std::sync::LazyLock;
use wasm_smith::{Config, Module};

const FUEL: u64 = 20_000_000;

/// The programs of the corpus that are small.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let programs = corpus::cases().into_iter().map(|case| case.program);
    programs.filter(|program| program.len() < 4_096).collect()
});

/// Commands over WASI, with the features that the engine has on.
fn smith() -> Config {
    let command = r#"(module (func (export "_start")))"#;
    let imports = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;
    Config {
        exports: Some(assemble(command)),
        available_imports: Some(assemble(imports)),
        bulk_memory_enabled: true,
        // It would make `externref`, which is off.
        reference_types_enabled: false,
        multi_value_enabled: true,
        extended_const_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        max_memories: 1,
        max_memory32_bytes: 32 << 16,
        max_table_elements: 1_000,
        min_funcs: 1,
        ..Config::default()
    }
}

/// A program that computes with raw NaNs and writes the bits of all its locals.
fn float_program(steps: &[(u8, u8, u8, u8)], bits: &[u64]) -> String {
    let unary = ["sqrt", "neg", "abs", "ceil", "floor", "trunc", "nearest"];
    let binary = ["add", "sub", "mul", "div", "min", "max", "copysign"];
    let mut body = String::new();
    for (index, bits) in bits.iter().enumerate() {
        let narrow = *bits >> 32;
        write!(
            body,
            "(local.set {index} (f64.reinterpret_i64 (i64.const {bits})))
             (local.set {} (f32.reinterpret_i32 (i32.const {narrow})))",
            index + 8
        )
        .expect("strings take text");
    }
    for (target, operation, left, right) in steps {
        let (target, left, right) = (target % 8, left % 8, right % 8);
        let operation = usize::from(*operation) % 17;
        let line = match operation {
            0..7 => {
                let name = unary[operation];
                format!(
                    "(local.set {target} (f64.{name} (f64.add (local.get {left}) (local.get {right}))))
                     (local.set {} (f32.{name} (local.get {})))",
                    target + 8,
                    left + 8
                )
            }
            7..14 => {
                let name = binary[operation - 7];
                format!(
                    "(local.set {target} (f64.{name} (local.get {left}) (local.get {right})))
                     (local.set {} (f32.{name} (f32.mul (local.get {}) (local.get {})) (local.get {})))",
                    target + 8, left + 8, right + 8, left + 8
                )
            }
            14 => format!("(local.set {target} (f64.promote_f32 (local.get {})))", left + 8),
            15 => format!("(local.set {} (f32.demote_f64 (local.get {left})))", target + 8),
            _ => format!(
                "(local.set {target} (if (result f64) (f64.lt (local.get {left}) (local.get {right}))
                   (then (f64.sub (local.get {left}) (local.get {right})))
                   (else (call $half (f64.div (local.get {right}) (local.get {left}))))))"
            ),
        };
        body += &line;
    }
    for index in 0..8 {
        write!(
            body,
            "(f64.store (i32.const {}) (local.get {index})) (f32.store (i32.const {}) (local.get {}))",
            64 + 8 * index, 128 + 4 * index, index + 8
        )
        .expect("strings take text");
    }
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory 1) (data (i32.const 0) "\40\00\00\00\60\00\00\00")
        (func $half (param f64) (result f64) (f64.neg (f64.mul (local.get 0) (f64.const 0.5))))
        (func (export "_start")
          (local f64 f64 f64 f64 f64 f64 f64 f64 f32 f32 f32 f32 f32 f32 f32 f32)
          {body}
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    )
}

/// Bits of floats, NaNs of all kinds among them.
fn float_bits() -> impl Strategy<Value = u64> {
    let special = prop::sample::select(vec![
        f64::NAN.to_bits(),
        f64::INFINITY.to_bits(),
        (-0.0f64).to_bits(),
        0x7ff0_0000_0000_0001,
        0xfff4_0000_0000_0003,
        0x7fa0_0001_0000_0000,
        1.5f64.to_bits(),
        1,
    ]);
    prop_oneof![special, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn mutated_programs_end_alike(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        input in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut program = seed.get(&SEEDS).clone();
        for (place, byte) in changes {
            if !program.is_empty() {
                let place = place.index(program.len());
                program[place] = byte;
            }
        }
        if let Some(cut) = cut && !program.is_empty() {
            program.truncate(cut.index(program.len()));
        }
        Case::new("mutated", program).input(&input).fuel(FUEL).agreed();
    }

    #[test]
    fn random_bytes_end_alike(program in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend_from_slice(&program);
        Case::new("bytes", program).agreed();
        Case::new("bytes behind a header", module).agreed();
    }

    #[test]
    fn valid_random_programs_end_alike(bytes in prop::collection::vec(any::<u8>(), 64..8_192)) {
        let module = Module::new(smith(), &mut Unstructured::new(&bytes));
        if let Ok(module) = module {
            Case::new("random", module.to_bytes()).fuel(FUEL).agreed();
        }
    }

    #[test]
    fn floats_have_the_same_bits_everywhere(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 1..60),
        bits in prop::collection::vec(float_bits(), 8),
    ) {
        let case = Case::new("floats", assemble(&float_program(&steps, &bits)));
        prop_assert_eq!(case.output().len(), 96);
    }
}
