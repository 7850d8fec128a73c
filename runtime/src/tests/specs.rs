use crate::{ChainSpec, ChainType, Properties, genesis_state};
use ::pallets::{balances::EXISTENTIAL_DEPOSIT, session::GenesisValidator};
use primitives::{
    AccountId, Balance, Hash,
    crypto::{
        hash::blake2_256,
        pair::{Ed25519Pair, Sr25519Pair},
    },
};

/// Who has money on development and test networks: keys that everybody knows.
const NAMES: [&str; 6] = ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"];
/// A million tokens.
const MONEY: Balance = Balance::new(1_000_000_000_000_000_000);

fn account(uri: &str) -> AccountId {
    AccountId(Sr25519Pair::from_uri(uri).expect("a valid secret URI").public())
}

/// A validator's keys are derived from the account's secret URI: `//vote` (ed25519), `//vrf` (sr25519).
fn validator(name: &str) -> GenesisValidator {
    let uri = |part: &str| format!("//{name}//{part}");
    let vote = Ed25519Pair::from_uri(&uri("vote")).expect("a valid secret URI");
    let vrf = Sr25519Pair::from_uri(&uri("vrf")).expect("a valid secret URI");
    GenesisValidator {
        account: account(&format!("//{name}")),
        vote_key: Hash(vote.public()),
        vrf_key: Hash(vrf.public()),
        power: 1,
    }
}

fn spec(name: &str, id: &str, chain_type: ChainType, validators: &[&str]) -> ChainSpec {
    let mut genesis = crate::Genesis::default();
    for name in NAMES {
        genesis.Balances.balances.push((account(&format!("//{name}")), MONEY));
    }
    genesis.Session.validators = validators.iter().map(|name| validator(name)).collect();
    genesis.Session.randomness = blake2_256(id.as_bytes());
    genesis.Sudo.key = Some(account("//Alice"));
    ChainSpec {
        name: name.to_owned(),
        id: id.to_owned(),
        chain_type,
        properties: Properties {
            ss58_format: 42,
            token_decimals: 12,
            token_symbol: "ARTL".to_owned(),
            existential_deposit: EXISTENTIAL_DEPOSIT,
        },
        bootnodes: Vec::new(),
        genesis,
    }
}

fn json(spec: &ChainSpec) -> String {
    serde_json::to_string_pretty(spec).expect("a spec is JSON") + "\n"
}

/// With `BLESS` set it writes the files, which the next build embeds.
#[test]
fn fixture_the_embedded_specs_name_the_well_known_keys() {
    let dev = spec("Artel Development", "artel-dev", ChainType::Development, &["Alice"]);
    let local = spec("Artel Local", "artel-local", ChainType::Local, &NAMES[..4]);
    if std::env::var_os("BLESS").is_some() {
        for (file, spec) in [("dev", &dev), ("local", &local)] {
            let path = format!("../chain-specs/{file}.json");
            std::fs::write(path, json(spec)).expect("chain-specs is writable");
        }
        return;
    }
    assert_eq!(json(&ChainSpec::dev()), json(&dev));
    assert_eq!(json(&ChainSpec::local()), json(&local));
}

#[test]
fn a_spec_that_cannot_begin_says_why() {
    let refusal = |change: fn(&mut ChainSpec)| {
        let mut spec = ChainSpec::dev();
        change(&mut spec);
        spec.validate().expect_err("the spec is wrong")
    };
    type Change = fn(&mut ChainSpec);
    let cases: [(Change, &str); 12] = [
        (|s| s.id = "a b".to_owned(), "letters, digits"),
        (|s| s.name.clear(), "name"),
        (|s| s.chain_type = ChainType::Live, "sudo"),
        (|s| s.properties.ss58_format = 0, "ss58Format"),
        (|s| s.properties.existential_deposit = Balance::ZERO, "existentialDeposit"),
        (|s| s.properties.token_symbol.clear(), "tokenSymbol"),
        (|s| s.bootnodes = vec![String::new(); 65], "bootnodes"),
        (|s| s.genesis.Session.validators.clear(), "validators"),
        (|s| s.genesis.Session.validators[0].power = 0, "power"),
        (|s| s.genesis.Session.validators[0].power = u64::MAX, "scale it down"),
        (|s| s.genesis.Session.validators[0].vrf_key = Hash::ZERO, "VRF key"),
        (|s| s.genesis.Balances.balances[0].1 = Balance::new(1), "existential deposit"),
    ];
    for (change, expected) in cases {
        let reason = refusal(change);
        assert!(reason.contains(expected), "'{reason}' does not tell of {expected}");
    }
    let twice = refusal(|s| {
        let again = s.genesis.Balances.balances[0];
        s.genesis.Balances.balances.push(again);
    });
    assert!(twice.contains("twice"), "{twice}");
    assert!(ChainSpec::from_json("{}").is_err());
}

#[test]
fn a_malformed_spec_is_told_of_in_few_plain_words() {
    let refusal = |json: &str| ChainSpec::from_json(json).err().expect("the spec is wrong");
    let reason = refusal(&format!("{{\n\"x\\u001b[2J{}\": 1}}", "y".repeat(100_000)));
    assert!(reason.contains("unknown field") && reason.contains(" at line 2 column "));
    assert!(reason.len() < 500 && !reason.contains(char::is_control), "{reason:?}");
    assert!(refusal("{").contains("line 1 column 1"));
}

#[test]
fn the_first_state_satisfies_every_invariant() {
    for spec in [ChainSpec::dev(), ChainSpec::local()] {
        let mut state = framework::MemState::default();
        state.apply(&genesis_state(&spec.genesis).expect("the embedded spec is valid"));
        crate::check(&state).expect("genesis is sound");
    }
}
