use crate::*;
use primitives::{Hash, crypto::keys};
use runtime::{Position, Rules};

#[test]
fn what_a_signer_signs_is_what_the_runtime_checks() {
    let genesis = Hash([9; 32]);
    let mut signer = Signer::new(alice(), genesis);
    signer.nonce = 3;
    let bytes = signer.sign(&transfer(&bob(), 1));
    let decoded = runtime::decode_transaction(&bytes, bytes.hash()).expect("it is well-formed");
    assert_eq!((decoded.signer, decoded.extra.nonce), (alice().account(), 3));
    let at = Position { height: 1, parent: genesis, genesis, rules: Rules::NEWEST };
    let payload = decoded.signing_payload(&genesis_state(), &at).expect("immortal eras are known");
    assert!(keys::verify(&decoded.signer, &payload, &decoded.signature));
}

#[test]
fn extra_accounts_are_in_the_first_state() {
    let rich = numbered_pair(1).account();
    let state = state_of(&genesis_with([(rich, Balance::new(1_000_000_000_000))]));
    assert_eq!(pallets::balances::free(&state, &rich), Balance::new(1_000_000_000_000));
    assert!(pallets::balances::free(&state, &alice().account()) > Balance::new(1_000_000_000_000));
    assert_eq!(runtime::check(&state), Ok(()));
}
