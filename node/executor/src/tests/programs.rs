//! The sample programs in C, compiled by the machine's clang. Their fuel depends on the compiler, so
//! it is compared between engines and not pinned.

use super::{Case, corpus::crate_folder};
use crate::{Outcome, TrapCode};
use std::process::Command;
use std::{fs, str};
use tempfile::TempDir;

/// Compiles the sample programs and reads one of them.
fn compile(name: &str) -> Case {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let script = crate_folder().join("../../tests/programs/build.sh");
    let status = Command::new(script).arg(folder.path()).status().expect("the script starts");
    assert!(status.success(), "clang, lld and wasi-libc are installed by scripts/setup.sh");
    let program = fs::read(folder.path().join(name).with_extension("wasm"));
    Case::new(name, program.expect("the script writes the program"))
}

#[test]
fn word_frequency_counts_words() {
    let case = compile("wordfreq").input(b"The cat saw the dog's cat. It wasn't the DOG's!");
    let expected = "3 the\n2 cat\n2 dog's\n1 it\n1 saw\n1 wasn't\n";
    assert_eq!(str::from_utf8(&case.output()).expect("text"), expected);
    assert_eq!(case.clone().args(&["1"]).output(), b"3 the\n");
    assert_eq!(case.input(b"").output(), b"");
}

#[test]
fn word_frequency_takes_a_long_text() {
    let text: String = (0..60_000u32).map(|i| format!("w{} ", i.wrapping_mul(i) % 5_003)).collect();
    let output = compile("wordfreq").input(text.as_bytes()).output();
    let counted = str::from_utf8(&output).expect("text").lines().map(|line| {
        let (count, _) = line.split_once(' ').expect("count and word");
        count.parse::<u32>().expect("a count")
    });
    assert_eq!(counted.sum::<u32>(), 60_000);
}

#[test]
fn mandelbrot_makes_a_picture() {
    let case = compile("mandelbrot").args(&["60", "40", "200"]);
    let output = case.output();
    let header = b"P6\n60 40\n255\n";
    assert_eq!(&output[..header.len()], header);
    let pixels = &output[header.len()..];
    assert_eq!(pixels.len(), 60 * 40 * 3);
    // The pixel at (-0.225, 0) is inside the set, the corners are not.
    let middle = (20 * 60 + 40) * 3;
    assert_eq!(&pixels[middle..middle + 3], &[0, 0, 0]);
    assert_ne!(&pixels[..3], &[0, 0, 0]);

    let report = case.args(&["0"]).agreed();
    assert_eq!(report.outcome, Outcome::Trap { code: TrapCode::Exit(2) });
    assert_eq!(report.log, b"mandelbrot: argument 1 is `0`, but must be from 1 to 8192\n");
}

#[test]
fn nonce_search_finds_the_smallest_nonce() {
    let case = compile("pownonce").input(b"hello").args(&["12"]);
    // As sha256sum gives for "hello" and 530 in eight bytes.
    let expected = "nonce 530\n\
        hash 000ac6be8751602144726df74bdda9f80910a11ee0d3b65ae1fe11047983c358\n";
    assert_eq!(str::from_utf8(&case.output()).expect("text"), expected);
    let report = case.clone().args(&["x"]).agreed();
    assert_eq!(report.outcome, Outcome::Trap { code: TrapCode::Exit(2) });
    let report = case.args(&["64"]).fuel(300_000_000).agreed();
    assert_eq!(report.outcome, Outcome::OutOfFuel);
}
