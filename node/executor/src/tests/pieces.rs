//! Small facts about codes and tables.

use super::{Case, assemble};
use crate::wasi::CALLS;
use crate::{Outcome, trap::TrapCode};
use std::collections::BTreeSet;

#[test]
fn trap_codes_come_back_from_their_numbers() {
    let known: Vec<TrapCode> = (0..100).filter_map(TrapCode::from_code).collect();
    assert_eq!(known.len(), 15);
    for code in known.into_iter().chain([TrapCode::Exit(1), TrapCode::Exit(255)]) {
        assert_eq!(TrapCode::from_code(code.code()), Some(code));
    }
    assert_eq!(TrapCode::Exit(u32::MAX).code(), TrapCode::Exit(0xffff).code());
    assert_eq!(TrapCode::from_code(0x1_0000), None);
    assert_eq!(TrapCode::from_code(0x2_0000), None);
}

#[test]
fn calls_have_names_of_their_own_and_at_most_nine_parameters() {
    let names: BTreeSet<&str> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(names.len(), CALLS.len());
    assert!(CALLS.iter().all(|call| call.parameters.len() <= 9));
}

#[test]
fn a_rejection_is_told_in_few_plain_words() {
    let long = "y".repeat(50_000);
    let module = format!(r#"(module (import "x\1b[2J" "{long}" (func)) (func (export "_start")))"#);
    let report = Case::new("strange names", assemble(&module)).agreed();
    assert_eq!(report.outcome, Outcome::Trap { code: TrapCode::ForbiddenImport });
    let log = String::from_utf8(report.log).expect("it is text");
    assert!(log.len() <= 1_000 && !log.contains(char::is_control), "{log:?}");
}
