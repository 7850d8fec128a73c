//! Changes of the chain's rules.

use super::chain::{Chain, EventRecord, pay};
use crate::{
    ApplyError, BlockError, CODE_KEY, Execution, InvalidTransaction, REHEARSAL_SPEC_VERSION, Rules,
    RuntimeCall, RuntimeEvent, RuntimeVersion, SPEC_VERSION, brings_rules, call, make_digest,
    parse_digest, unknown_rules_ahead, version, version_at,
};
use ::pallets::{sudo, system};
use codec::{DecodeAll, Encode};
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use primitives::{DigestItem, Height, StateRead};

/// A chain whose rules will change to these with this block.
fn changing(spec_version: u32, height: Height) -> Chain {
    let mut chain = Chain::dev();
    schedule(&mut chain, spec_version, height);
    assert_eq!(unknown_rules_ahead(&chain.state), None);
    chain
}

fn schedule(chain: &mut Chain, spec_version: u32, height: Height) {
    let schedule = RuntimeCall::System(system::Call::schedule_upgrade { spec_version, height });
    let schedule = RuntimeCall::Sudo(sudo::Call::sudo { call: Box::new(schedule) });
    let events = chain.include(chain.sign("Alice", schedule));
    let sudid = sudo::Event::Sudid { sudo_result: Ok(()) };
    assert!(events.contains(&RuntimeEvent::Sudo(sudid)), "{events:?}");
}

/// The constants of System, by name.
fn constants(rules: Rules) -> Vec<(String, Vec<u8>)> {
    let mut bytes = rules.metadata(14).expect("it is served");
    let decoded = RuntimeMetadataPrefixed::decode_all(&mut bytes).expect("it decodes").1;
    let RuntimeMetadata::V14(decoded) = decoded else { panic!("it is version 14") };
    let system = decoded.pallets.into_iter().find(|pallet| pallet.name == "System");
    let constants = system.expect("System is listed").constants.into_iter();
    constants.map(|constant| (constant.name, constant.value)).collect()
}

#[test]
fn rules_change_with_the_block_that_was_set_and_signatures_of_before_are_void_after_it() {
    let mut chain = changing(REHEARSAL_SPEC_VERSION, 3);
    chain.block(&[]);
    let marker = chain.state.get(CODE_KEY);
    assert_eq!((Rules::at(&chain.state), version_at(&chain.state)), (Rules::NEWEST, version()));
    let (last, late) = (chain.sign("Alice", pay("Bob", 5)), chain.sign("Bob", pay("Alice", 5)));
    let late_checked = chain.verify(&late).expect("it is good now").verified(&chain.position());

    assert!(brings_rules(&chain.state, 3) && chain.state.get(CODE_KEY) == marker);
    assert_eq!(chain.header().digest.logs.last(), Some(&DigestItem::RuntimeEnvironmentUpdated));
    let (events, verdicts) = chain.block(&[last]);
    assert_eq!(verdicts, [Ok(())], "the block itself is made by the rules before");
    let updated =
        |record: &&EventRecord| record.event == RuntimeEvent::System(system::Event::CodeUpdated);
    assert_eq!(events.iter().filter(updated).count(), 1);

    assert_ne!(chain.state.get(CODE_KEY), marker);
    let expected = RuntimeVersion { spec_version: REHEARSAL_SPEC_VERSION, ..version() };
    assert_eq!(version_at(&chain.state), expected);
    let told = call(&chain.state, &chain.position(), "Core_version", &[]);
    assert_eq!(told, Ok(expected.encode()));
    let of_heights = [0, 2, 3].map(|height| Rules::after(&chain.state, height));
    assert_eq!(of_heights, [Rules::NEWEST, Rules::NEWEST, Rules::REHEARSAL]);

    assert_eq!(chain.verify(&late).err(), Some(InvalidTransaction::BadProof));
    let env = chain.env().expect("the header is the author's");
    let mut execution =
        Execution::begin(&chain.state, &env, &chain.inherents()).expect("inherents are sound");
    let refused = ApplyError::Invalid(InvalidTransaction::BadProof);
    assert_eq!(execution.apply(&late_checked), Err(refused));
    drop(execution);
    let marker = chain.state.get(CODE_KEY);
    let (events, verdicts) = chain.block(&[chain.sign("Bob", pay("Alice", 5))]);
    assert_eq!((verdicts, events.iter().filter(updated).count()), (vec![Ok(())], 0));
    assert_eq!(chain.state.get(CODE_KEY), marker);
    assert!(!chain.header().digest.logs.contains(&DigestItem::RuntimeEnvironmentUpdated));
}

#[test]
fn each_version_of_the_rules_has_metadata_of_its_own() {
    let constant = |rules, name: &str| {
        constants(rules).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    };
    for rules in [Rules::NEWEST, Rules::REHEARSAL] {
        assert_eq!(constant(rules, "Version"), Some(rules.version().encode()));
    }
    assert_eq!(constant(Rules::NEWEST, "Rehearsal"), None);
    assert_eq!(constant(Rules::REHEARSAL, "Rehearsal"), Some(vec![1]));
    assert_ne!(Rules::NEWEST.metadata_digest(), Rules::REHEARSAL.metadata_digest());
    for version in [14, 15, 16] {
        assert_ne!(Rules::NEWEST.metadata(version), Rules::REHEARSAL.metadata(version));
    }
}

#[test]
fn a_chain_stops_before_the_block_that_brings_rules_which_the_program_lacks() {
    // It does not rehearse, so the next rules are not known.
    let mut chain = Chain::with(|genesis| genesis.System.rehearsals = false);
    let unknown = SPEC_VERSION + 1;
    schedule(&mut chain, unknown, 3);
    assert_eq!(unknown_rules_ahead(&chain.state), Some((unknown, 3)));
    chain.block(&[]);
    let refused = chain.env().expect_err("nobody here can make this block");
    assert_eq!(refused, BlockError::UnknownRules { height: 3, spec_version: unknown });
    assert!(refused.to_string().contains(&format!("version {unknown}")), "{refused}");
    assert!(refused.to_string().contains("install"), "{refused}");
}

#[test]
fn a_header_says_that_rules_change_exactly_where_they_do() {
    let mut chain = changing(REHEARSAL_SPEC_VERSION, 3);
    for changes in [false, true] {
        let mut header = chain.header();
        let mut digested = parse_digest(&header).expect("it is the author's");
        assert_eq!(digested.new_rules, changes);
        digested.new_rules = !changes;
        header.digest = make_digest(&digested);
        assert_eq!(chain.env_of(&header), Err(BlockError::BadDigest));
        chain.block(&[]);
    }
}
