//! First blocks that must never change, as everything that is signed names one.

use crate::genesis_hash;
use runtime::ChainSpec;
use std::{env, fs};

const PATH: &str = "fixtures/genesis.txt";

/// With `BLESS` set it writes the file.
#[test]
fn fixture_the_chains_that_come_with_the_node_begin_as_they_did() {
    let specs = [ChainSpec::dev(), ChainSpec::local(), ChainSpec::testnet()];
    let line = |spec: ChainSpec| {
        let hash = genesis_hash(&spec.genesis).expect("the embedded spec is valid");
        format!("{} {hash}\n", spec.id)
    };
    let found: String = specs.map(line).concat();
    if env::var_os("BLESS").is_some() {
        fs::write(PATH, &found).expect("fixtures are writable");
        return;
    }
    let expected = fs::read_to_string(PATH).expect("the fixture is committed");
    assert_eq!(expected, found, "old chains cannot go on; if that is meant: cargo xtask bless");
}
