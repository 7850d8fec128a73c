use crate::{ChainSpec, ChainType, Properties, genesis_state};
use ::pallets::{balances::EXISTENTIAL_DEPOSIT, staking::GenesisValidator};
use primitives::{
    AccountId, Balance, Hash, Moment,
    crypto::{
        hash::blake2_256,
        pair::{Ed25519Pair, Sr25519Pair},
    },
};

/// Who has money on development and test networks: keys that everybody knows.
const NAMES: [&str; 6] = ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"];
/// How long an era lasts where people watch: two minutes.
const SHORT_ERA_MS: Moment = 120_000;
/// A million tokens.
const MONEY: Balance = Balance::new(1_000_000_000_000_000_000);

fn token(tokens: u128) -> Balance {
    Balance::new(tokens * 1_000_000_000_000)
}

fn account(uri: &str) -> AccountId {
    AccountId(Sr25519Pair::from_uri(uri).expect("a valid secret URI").public())
}

/// A validator's keys are derived from the account's secret URI: `//vote` (ed25519), `//vrf` (sr25519).
fn validator(uri: &str, stake: Balance) -> GenesisValidator {
    let child = |part: &str| format!("{uri}//{part}");
    let vote = Ed25519Pair::from_uri(&child("vote")).expect("a valid secret URI");
    let vrf = Sr25519Pair::from_uri(&child("vrf")).expect("a valid secret URI");
    GenesisValidator {
        account: account(uri),
        stake,
        commission_ppm: 0,
        vote_key: Hash(vote.public()),
        vrf_key: Hash(vrf.public()),
    }
}

/// A chain for one machine: everybody is rich, and `//Alice` may do anything.
fn for_one_machine(name: &str, id: &str, chain_type: ChainType, validators: &[&str]) -> ChainSpec {
    let mut spec = spec(name, id, chain_type);
    let uri = |name: &&str| format!("//{name}");
    spec.genesis.Balances.balances =
        NAMES.iter().map(|name| (account(&uri(name)), MONEY)).collect();
    let stake = token(10_000);
    spec.genesis.Staking.validators =
        validators.iter().map(|name| validator(&uri(name), stake)).collect();
    spec.genesis.Staking.params.era_ms = SHORT_ERA_MS;
    spec.genesis.Sudo.key = Some(account("//Alice"));
    spec.genesis.System.rehearsals = true;
    spec
}

/// The first validator has more than two thirds of the power, so that the chain lives while the
/// others come and go.
fn testnet() -> ChainSpec {
    let mut spec = spec("Artel Testnet", "artel-testnet", ChainType::Live);
    let validators =
        [1, 2, 3, 4].map(|number| format!("//Testnet//Validator//{number}")).into_iter();
    let validators: Vec<_> = validators.zip([700, 100, 100, 100]).collect();
    spec.genesis.Staking.validators =
        validators.iter().map(|(uri, stake)| validator(uri, token(*stake))).collect();
    let balances = &mut spec.genesis.Balances.balances;
    balances.push((account("//Testnet//Faucet"), token(10_000_000)));
    balances.extend(validators.iter().map(|(uri, _)| (account(uri), token(1_000))));
    for agent in ["//Testnet//Agent//1", "//Testnet//Agent//2"] {
        balances.push((account(agent), token(1_000)));
    }
    spec
}

fn spec(name: &str, id: &str, chain_type: ChainType) -> ChainSpec {
    let mut genesis = crate::Genesis::default();
    genesis.Session.randomness = blake2_256(id.as_bytes());
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
    let dev = for_one_machine("Artel Development", "artel-dev", ChainType::Development, &["Alice"]);
    let local = for_one_machine("Artel Local", "artel-local", ChainType::Local, &NAMES[..4]);
    for (file, embedded, made) in [
        ("dev", ChainSpec::dev(), dev),
        ("local", ChainSpec::local(), local),
        ("testnet", ChainSpec::testnet(), testnet()),
    ] {
        if std::env::var_os("BLESS").is_some() {
            let path = format!("../chain-specs/{file}.json");
            std::fs::write(path, json(&made)).expect("chain-specs is writable");
        } else {
            assert_eq!(json(&embedded), json(&made), "{file}.json");
        }
    }
}

#[test]
fn the_test_networks_first_validator_decides_alone_and_the_others_cannot() {
    let validators = ChainSpec::testnet().genesis.Staking.validators;
    let total: Balance = validators.iter().map(|validator| validator.stake).sum();
    let (first, total) = (validators[0].stake.get(), total.get());
    assert!(first * 3 > total * 2, "the chain would stand still until others join");
    assert!((total - first) * 3 < total, "the others could stop the chain");
}

#[test]
fn a_spec_that_cannot_begin_says_why() {
    let refusal = |change: fn(&mut ChainSpec)| {
        let mut spec = ChainSpec::dev();
        change(&mut spec);
        spec.validate().expect_err("the spec is wrong")
    };
    type Change = fn(&mut ChainSpec);
    let cases: [(Change, &str); 19] = [
        (|s| s.id = "a b".to_owned(), "letters, digits"),
        (
            |s| {
                s.chain_type = ChainType::Live;
                s.genesis.Sudo.key = None;
            },
            "rehearses",
        ),
        (|s| s.name.clear(), "name"),
        (|s| s.chain_type = ChainType::Live, "sudo"),
        (|s| s.properties.ss58_format = 0, "ss58Format"),
        (|s| s.properties.existential_deposit = Balance::ZERO, "existentialDeposit"),
        (|s| s.properties.token_symbol.clear(), "tokenSymbol"),
        (|s| s.properties.token_decimals = 10, "tokenDecimals"),
        (|s| s.bootnodes = vec![String::new(); 65], "bootnodes"),
        (|s| s.genesis.Staking.validators.clear(), "0 validators"),
        (|s| s.genesis.Staking.validators[0].stake = Balance::ZERO, "least of a validator"),
        (|s| s.genesis.Staking.validators[0].stake = Balance::MAX, "cannot stake"),
        (|s| s.genesis.Staking.validators[0].vrf_key = Hash::ZERO, "VRF key"),
        (|s| s.genesis.Staking.validators[0].vote_key = Hash::ZERO, "vote key"),
        (|s| s.genesis.Staking.validator_count = 0, "validator_count"),
        (|s| s.genesis.Staking.params.era_ms = 0, "era_ms"),
        (
            |s| {
                s.chain_type = ChainType::Live;
                s.genesis.Sudo.key = None;
                s.genesis.System.rehearsals = false;
            },
            "14 days",
        ),
        (
            |s| {
                let again = s.genesis.Staking.validators[0].clone();
                s.genesis.Staking.validators.push(again);
            },
            "twice",
        ),
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
    for spec in [ChainSpec::dev(), ChainSpec::local(), ChainSpec::testnet()] {
        let mut state = framework::MemState::default();
        state.apply(&genesis_state(&spec.genesis).expect("the embedded spec is valid"));
        crate::check(&state).expect("genesis is sound");
    }
}
