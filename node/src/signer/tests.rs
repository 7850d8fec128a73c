use super::{
    wire::{Reason, Request, Response},
    *,
};
use crate::keyring::{FOLDER, ValidatorKeys, session_keys};
use consensus::{Instance, Vote, VoteKind};
use primitives::{AccountId, crypto::keys::verify_ed25519};
use std::{
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const GENESIS: Hash = Hash([9; 32]);
const A: Instance = Instance([1; 16]);
const B: Instance = Instance([2; 16]);

fn alice() -> ValidatorKeys {
    session_keys("//Alice").expect("it is a secret URI")
}

fn begin(folder: &Path, sign_without_guard: bool) -> anyhow::Result<PathBuf> {
    let keys = Keyring::open(Some(alice()), folder.join(FOLDER))?;
    let (server, _) = Server::new(Setup { folder, genesis: GENESIS, keys, sign_without_guard })?;
    let socket = folder.join("socket");
    server.serve(listen(&socket)?)?;
    Ok(socket)
}

fn hello(instance: Instance) -> Request {
    let account = alice().account;
    Request::Hello { version: wire::VERSION, genesis: GENESIS, account, instance }
}

/// A node's connection that has said who it is.
struct Raw(UnixStream);

impl Raw {
    fn connect(socket: &Path, hello: &Request) -> (Self, Response) {
        let mut this = Self(UnixStream::connect(socket).expect("it listens"));
        let response = this.ask(hello);
        (this, response)
    }

    fn ask(&mut self, request: &Request) -> Response {
        wire::write(&mut self.0, request).expect("written");
        wire::read(&mut self.0).expect("answered")
    }
}

fn vote(height: Height, block: u8) -> Content {
    let (kind, validator) = (VoteKind::Prevote, alice().account);
    Content::Vote(Vote { kind, height, round: 0, block: Some(Hash([block; 32])), validator })
}

fn sign(height: Height, block: u8) -> Request {
    Request::Sign { key: alice().public().vote, known: None, content: vote(height, block) }
}

#[test]
fn it_signs_what_it_builds_itself_for_one_node_and_never_twice() {
    let folder = TempDir::new().expect("a temporary folder");
    assert!(begin(folder.path(), false).is_err(), "nothing is known about the past");
    let socket = begin(folder.path(), true).expect("it starts");
    let mode = std::fs::metadata(&socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (mut first, ready) = Raw::connect(&socket, &hello(A));
    assert_eq!(ready, Response::Ready);
    let Response::Signature(signature) = first.ask(&sign(5, 1)) else { panic!("it signs") };
    let message = vote(5, 1).signed_bytes(&GENESIS);
    assert!(verify_ed25519(&alice().public().vote, &message, &signature));
    assert_eq!(first.ask(&sign(5, 1)), Response::Signature(signature));
    assert_eq!(first.ask(&sign(5, 2)), Response::Refused(Reason::Guarded));
    let (mut second, _) = Raw::connect(&socket, &hello(B));
    assert_eq!(second.ask(&sign(6, 1)), Response::Refused(Reason::Busy));
    let draw = |key| Request::Draw { key, seed: Hash([3; 32]), height: 6, round: 0 };
    let vrf = alice().public().vrf;
    assert!(matches!(first.ask(&draw(vrf)), Response::Drawn { .. }));
    assert_eq!(second.ask(&draw(vrf)), Response::Refused(Reason::Busy));
    assert_eq!(first.ask(&draw([1; 32])), Response::Refused(Reason::NoKey));
    // Peers may know both.
    let prove = Request::Prove { key: alice().public().vote, peer: b"a node".to_vec() };
    assert!(matches!(second.ask(&prove), Response::Signature(_)));

    let again = begin(folder.path(), false).expect_err("the folder is in use");
    assert!(again.to_string().contains("in use"), "{again:#}");
}

#[test]
fn strangers_hear_what_is_wrong_and_noise_ends_the_connection() {
    let folder = TempDir::new().expect("a temporary folder");
    let socket = begin(folder.path(), true).expect("it starts");
    let account = AccountId([7; 32]);
    for (hello, reason) in [
        (
            Request::Hello { version: 9, genesis: GENESIS, account, instance: A },
            Reason::Version(wire::VERSION),
        ),
        (
            Request::Hello { version: wire::VERSION, genesis: Hash::ZERO, account, instance: A },
            Reason::Chain(GENESIS),
        ),
        (
            Request::Hello { version: wire::VERSION, genesis: GENESIS, account, instance: A },
            Reason::Validator(alice().account),
        ),
        (Request::Beat, Reason::Malformed),
    ] {
        assert_eq!(Raw::connect(&socket, &hello).1, Response::Refused(reason));
    }
    for noise in [&[255; 64][..], &[8, 0, 0, 0, 255, 255, 255, 255, 1, 2, 3, 4]] {
        let (mut node, _) = Raw::connect(&socket, &hello(A));
        node.0.write_all(noise).expect("written");
        assert!(wire::read::<Response>(&mut node.0).is_err(), "it hangs up");
    }
    let (mut node, _) = Raw::connect(&socket, &hello(A));
    assert_eq!(node.ask(&hello(A)), Response::Refused(Reason::Malformed));
    assert!(matches!(node.ask(&sign(5, 1)), Response::Signature(_)), "it goes on for others");
}

#[test]
fn a_node_asks_at_once_answers_itself_while_the_signer_is_away_and_finds_it_again() {
    let folder = TempDir::new().expect("a temporary folder");
    let socket = folder.path().join("socket");
    let (client, worker) = Client::new(socket.clone(), GENESIS, alice().account, A);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let thread = thread::spawn(move || worker.run(&stopped));
    let mut signer = Signer::Remote(client);
    let key = alice().public().vote;

    let mut ask = || {
        let start = Instant::now();
        assert_eq!(signer.sign(&key, &vote(1, 1), None), Err(Unsigned::NoAnswer));
        start.elapsed()
    };
    // On a busy machine it takes a moment to hear from another thread.
    let waited: Duration = (0..40).map(|_| ask()).sum();
    assert!(waited < 10 * client::ANSWER_WAIT_MAX, "nobody waits for who is not there");

    // One that takes requests and never answers.
    let mute = listen(&socket).expect("it listens");
    let waited = loop {
        let waited = ask();
        if waited > client::ANSWER_WAIT_MAX / 2 {
            break waited;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert!(waited < 10 * client::ANSWER_WAIT_MAX, "it ends by itself");
    let waited: Duration = (0..40).map(|_| ask()).sum();
    assert!(waited < 10 * client::ANSWER_WAIT_MAX, "it is not waited for again and again");
    drop(mute);

    begin(folder.path(), true).expect("it starts");
    let signature = loop {
        match signer.sign(&key, &vote(5, 1), None) {
            Ok(signature) => break signature,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(verify_ed25519(&key, &vote(5, 1).signed_bytes(&GENESIS), &signature));
    assert_eq!(signer.sign(&key, &vote(5, 2), None), Err(Unsigned::Refused));
    assert_eq!(signer.sign(&[1; 32], &vote(6, 2), None), Err(Unsigned::NoKey));
    assert!(signer.draw(&alice().public().vrf, &Hash::ZERO, 6, 0).is_some());
    assert!(signer.prove_peer(&key, b"a node").is_some());
    stop.cancel();
    thread.join().expect("it does not panic").expect("it ends well");
}
