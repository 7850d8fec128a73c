use super::*;
use crossbeam_channel::bounded;
use prometheus_client::registry::Registry;
use runtime::ChainSpec;
use std::time::Instant;
use tempfile::TempDir;

/// Longest wait for anything that must come.
const WAIT: Duration = Duration::from_secs(60);

#[test]
fn what_comes_in_is_checked_against_the_head_that_clients_see() {
    let folder = TempDir::new().expect("a temporary folder");
    let config = chain::Config { path: folder.path().to_owned(), ..Default::default() };
    let chain = chain::Chain::open(&config, &ChainSpec::dev().genesis).expect("it opens");
    let head = chain.head().clone();
    let next = Head { height: 1, hash: Hash([1; 32]), ..head.clone() };
    let (clients, heads) = watch::channel(head.clone());
    let (controls, control) = bounded(1);
    let (submit, requests) = bounded(1);
    let (batches, checked) = bounded(1);
    let (_verdicts, verdicts) = bounded(1);
    let (_peers, arrivals) = bounded(1);
    let (taken, _told) = mpsc::channel(1);
    let shell = Shell {
        pool: Pool::new(txpool::Config::default(), head.height),
        head,
        heads,
        verifier: chain.verifier().clone(),
        control,
        requests,
        batches,
        verdicts,
        arrivals,
        taken,
        consensus: None,
        metrics: PoolMetrics::new(&mut Registry::default()),
    };
    let stop = CancellationToken::new();
    let pool = std::thread::spawn({
        let stop = stop.clone();
        move || shell.run(&stop)
    });

    // The pool has not heard of the block yet that a client has seen.
    clients.send_replace(next.clone());
    let (answer, _answered) = oneshot::channel();
    let bytes = OpaqueTransaction(vec![0]);
    submit.send(PoolRequest::Submit { bytes, answer }).expect("the pool runs");
    let taken = Instant::now() + WAIT;
    while !submit.is_empty() {
        assert!(Instant::now() < taken, "nobody takes the request");
        std::thread::yield_now();
    }
    controls.send(Control::Head { head: next.clone(), included: Vec::new() }).expect("it runs");
    let batch = checked.recv_timeout(WAIT).expect("it is checked now");
    assert_eq!(batch.head.hash, next.hash);

    stop.cancel();
    pool.join().expect("it does not panic").expect("it ends well");
}

#[test]
fn a_message_is_rejected_only_for_what_is_valid_nowhere() {
    let judged = |errors: &[InvalidTransaction], is_one_good: bool| {
        let (answer, answered) = oneshot::channel();
        let tally = Tally::new(answer);
        if is_one_good {
            tally.note(&Ok(Hash([1; 32])));
        }
        errors.iter().for_each(|error| tally.note(&Err(SubmitError::Invalid(*error))));
        drop(tally);
        answered.blocking_recv().expect("it is judged")
    };
    for bad in [InvalidTransaction::Call, InvalidTransaction::BadSigner] {
        assert_eq!(judged(&[bad], false), Verdict::Reject);
        assert_eq!(judged(&[InvalidTransaction::Stale, bad], true), Verdict::Reject);
    }
    // A node that is two blocks behind takes a good mortal one for one of the era before.
    for elsewhere in [InvalidTransaction::BadProof, InvalidTransaction::AncientBirthBlock] {
        assert_eq!(judged(&[elsewhere], false), Verdict::Ignore);
        assert_eq!(judged(&[elsewhere], true), Verdict::Accept);
    }
}
