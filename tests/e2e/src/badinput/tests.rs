//! Each target with inputs that proptest seeds; the long form is the command `badinput`.

use super::*;
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use std::cell::RefCell;

/// Every input at a door is refused with words or accepted and usable, and the door stays in order.
fn holds<D: Door>(open: impl Future<Output = Result<D>>) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be made");
    let door = RefCell::new(runtime.block_on(open).expect("the door opens"));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&any::<u64>().no_shrink(), |seed| {
            let mut door = door.borrow_mut();
            let outcome = runtime.block_on(attempt(&mut *door, seed));
            outcome.map(drop).map_err(|error| TestCaseError::fail(format!("{error:#}")))
        })
        .expect("nothing is violated");
    runtime.block_on(door.into_inner().finish()).expect("all is in order in the end");
}

#[test]
fn any_extrinsic_is_refused_with_words_or_taken() {
    holds(extrinsics::Extrinsics::open());
}

#[test]
fn any_body_of_json_rpc_is_answered() {
    holds(rpc::Rpc::open());
}

#[test]
fn any_blob_is_refused_with_words_or_kept() {
    holds(blobs::Blobs::open());
}

#[test]
fn any_program_is_refused_with_words_or_ends_alike() {
    holds(async { modules::Modules::open() });
}

#[test]
fn any_chain_spec_is_refused_with_words_or_can_begin() {
    holds(async { specs::Specs::open() });
}

#[test]
fn errors_that_do_not_help_are_found() {
    let long = "word ".repeat(TEXT_BYTES_MAX);
    for text in
        ["", "  ", "-32603 1010", "refused", "Internal error happened", "a \u{1b}[2J b", &long]
    {
        assert!(check_text(text).is_err(), "{text:.50}");
    }
    check_text("the name has 70 bytes, 64 are the most").expect("this helps");
}
