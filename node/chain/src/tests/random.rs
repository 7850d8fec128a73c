//! Random transfers by random parties, with restarts: nothing is lost or made.

use super::fixture::{Fixture, RICH, folder};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// From, to, parts per thousand of what a rich account has.
    Transfer(u8, u8, u16),
    Block,
    /// A block is built and the node ends before it is decided.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..RICH, 0..RICH + 4, 0..1_200u16).prop_map(|(f, t, a)| Step::Transfer(f, t, a)),
        2 => Just(Step::Block),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn money_is_conserved_and_a_restart_finds_the_head(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let (dir, other) = (folder(), folder());
        let mut f = Fixture::open(&dir);
        let mut g = Fixture::open(&other);
        let mut waiting = Vec::new();
        let mut nonces = [0; RICH as usize];
        let mut now_ms = 0;
        for step in steps {
            match step {
                Step::Transfer(from, to, parts) => {
                    let nonce = &mut nonces[usize::from(from)];
                    waiting.push(f.transfer(from, to, *nonce, u128::from(parts) * super::ARTL));
                    *nonce += 1;
                }
                Step::Block => {
                    now_ms += 1_000;
                    let taken = std::mem::take(&mut waiting);
                    let built = f.build(now_ms, &taken.iter().collect::<Vec<_>>());
                    g.check(&built.block, Some(now_ms)).expect("the other node agrees");
                    let certificate = f.certificate(&built.hash);
                    f.chain.commit(&built.hash, certificate.clone()).expect("it was built");
                    g.chain.commit(&built.hash, certificate).expect("it was checked");
                    f.check_state();
                    for (from, nonce) in (0..).zip(&mut nonces) {
                        *nonce = f.nonce(from);
                    }
                }
                Step::Crash => {
                    let head = f.chain.head();
                    let before = (head.hash, head.snapshot.root, head.certificate.clone());
                    f.build(now_ms + 1, &waiting.iter().collect::<Vec<_>>());
                    drop(f);
                    f = Fixture::open(&dir);
                    let head = f.chain.head();
                    let after = (head.hash, head.snapshot.root, head.certificate.clone());
                    prop_assert_eq!(after, before);
                }
            }
        }
    }
}
