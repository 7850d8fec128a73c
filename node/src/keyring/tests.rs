use super::*;
use primitives::crypto::keys::verify_ed25519;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

#[test]
fn the_development_chains_validator_has_the_keys_of_alice() {
    let keys = session_keys("//Alice").expect("it is a secret URI");
    let genesis = runtime::ChainSpec::dev().genesis;
    let validator = &genesis.Staking.validators[0];
    assert_eq!(validator.account, keys.account);
    assert_eq!(validator.vote_key.0, keys.vote.public());
    assert_eq!(validator.vrf_key.0, keys.vrf.public());
}

#[test]
fn a_key_that_is_retired_is_taken_up_no_more_and_not_lost() {
    let folder = TempDir::new().expect("a temporary folder");
    let key = StoredKey::generate(AccountId([1; 32])).expect("the system has randomness");
    let path = key.write(folder.path()).expect("written");
    assert_eq!(key.age(key.created_ms + 5), Duration::from_millis(5));
    assert_eq!(key.age(key.created_ms - 5), Duration::ZERO, "the chain may be far behind");
    key.retire(folder.path()).expect("it is there");
    assert!(read_folder(folder.path()).expect("a folder").is_empty());
    assert!(path.with_extension("unused").exists());
}

#[test]
fn a_key_that_comes_into_the_folder_is_noticed_and_nobody_else_can_read_it() {
    let folder = TempDir::new().expect("a temporary folder");
    let folder = folder.path().join(FOLDER);
    let given = session_keys("//Alice").expect("it is a secret URI");
    let (account, old) = (given.account, given.public().vote);
    let ring = Keyring::open(Some(given), folder.clone()).expect("one key");
    assert!(ring.has(&old));
    let new = StoredKey::generate(account).expect("the system has randomness");
    let path = new.write(&folder).expect("written");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
    ring.lock().looked = Instant::now() - LOOK_EVERY;
    let signature = ring.sign(&new.vote_key.0, b"text").expect("it is noticed");
    assert!(verify_ed25519(&new.vote_key.0, b"text", &signature));
    assert!(ring.draw(&new.vrf_key.0, b"text").is_some());
    assert!(ring.has(&old), "the old one stays");
    assert!(!ring.has(&[1; 32]));

    let again = Keyring::open(None, folder.clone()).expect("the folder is enough");
    assert_eq!(again.account(), account);
    assert!(again.has(&new.vote_key.0) && !again.has(&old));
}

#[test]
fn keys_of_two_validators_and_damaged_ones_are_refused_by_name() {
    let folder = TempDir::new().expect("a temporary folder");
    let folder = folder.path();
    let error =
        |given| format!("{:#}", Keyring::open(given, folder.into()).err().expect("refused"));
    assert!(error(None).contains("--session-key-file"), "{}", error(None));
    let bob = session_keys("//Bob").expect("it is a secret URI").account;
    let mut stored = StoredKey::generate(bob).expect("the system has randomness");
    stored.write(folder).expect("written");
    let alice = session_keys("//Alice").expect("it is a secret URI");
    let text = error(Some(alice));
    assert!(text.contains("two validators") && text.contains(&bob.to_string()), "{text}");
    stored.secret = "//Eve".to_owned();
    stored.write(folder).expect("written");
    assert!(error(None).contains("holds another"), "{}", error(None));
}
