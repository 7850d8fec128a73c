use super::*;
use primitives::crypto::keys;
use proptest::prelude::*;
use std::sync::LazyLock;

#[derive(Deserialize)]
struct Case {
    scheme: String,
    uri: String,
    password: String,
    file: KeyFile,
}

/// Made with @polkadot/keyring.
fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("polkadot-js.json")).expect("a list of cases")
}

fn pair(scheme: &str, uri: &str) -> Pair {
    Pair::from_uri(scheme.parse().expect("a scheme"), uri).expect("a good URI")
}

/// Sealing is slow by design, so tests of damage share one file.
static SEALED: LazyLock<KeyFile> = LazyLock::new(|| {
    KeyFile::seal(&pair("sr25519", "//Alice//stash"), "correct horse", "alice", 1)
        .expect("it seals")
});

#[test]
fn files_of_polkadot_js_open() {
    for Case { scheme, uri, password, file } in cases() {
        let opened = file.open(&password).unwrap_or_else(|error| panic!("{uri}: {error}"));
        assert_eq!(opened.account(), pair(&scheme, &uri).account());
        assert_eq!(file.is_encrypted(), !password.is_empty());
        let signature = opened.sign(b"message");
        assert!(keys::verify(&opened.account(), b"message", &signature));
    }
}

#[test]
fn what_is_sealed_opens_with_its_password_alone() {
    for scheme in ["sr25519", "ed25519", "ecdsa"] {
        let key = pair(scheme, "//Dave");
        let file = KeyFile::seal(&key, "pass", "dave", 1).expect("it seals");
        assert_eq!(file.open("pass").expect("the right password").account(), key.account());
        assert!(matches!(file.open("Pass"), Err(Error::WrongPassword)));
        assert!(matches!(file.open(""), Err(Error::WrongPassword)));
    }
}

#[test]
fn an_empty_password_protects_nothing() {
    let sealed = KeyFile::seal(&pair("sr25519", "//Alice"), "", "alice", 1);
    assert!(matches!(sealed, Err(Error::EmptyPassword)));
}

#[test]
fn a_file_under_another_address_is_refused() {
    let file =
        KeyFile { address: pair("sr25519", "//Bob").account().to_string(), ..SEALED.clone() };
    assert!(matches!(file.open("correct horse"), Err(Error::OtherAccount { .. })));
}

#[test]
fn unknown_encodings_are_named() {
    let mut file = SEALED.clone();
    file.encoding.version = "2".to_owned();
    let error = file.open("correct horse").expect_err("an old version");
    assert!(error.to_string().contains("sealed as 2"), "{error}");
    let mut file = SEALED.clone();
    file.encoding.content[1] = "bls".to_owned();
    assert!(matches!(file.open("correct horse"), Err(Error::UnknownEncoding(_))));
}

#[test]
fn costs_out_of_bounds_are_refused_before_they_are_paid() {
    for (n, p, r) in [
        (1u32 << 21, 1u32, 8u32),
        (1 << 10, 1, 8),
        (3 << 13, 1, 8),
        (1 << 15, 9, 8),
        (1 << 15, 1, 64),
    ] {
        let mut bytes = BASE64.decode(&SEALED.encoded).expect("it was just encoded");
        for (at, number) in [(32, n), (36, p), (40, r)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let file = KeyFile { encoded: BASE64.encode(bytes), ..SEALED.clone() };
        assert!(matches!(file.open("correct horse"), Err(Error::Damaged(_))), "{n} {p} {r}");
    }
}

#[test]
fn files_are_read_as_written_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("alice.json");
    SEALED.write(&path).expect("a new file");
    assert_eq!(KeyFile::read(&path).expect("it is there"), *SEALED);
    assert!(matches!(SEALED.write(&path), Err(Error::Exists(_))));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::write(&path, "{\"address\":1}").expect("it can be written");
    assert!(matches!(KeyFile::read(&path), Err(Error::NotAKeyFile { .. })));
    assert!(matches!(KeyFile::read(&folder.path().join("none")), Err(Error::Io { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = BASE64.decode(&SEALED.encoded).expect("it was just encoded");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let file = KeyFile { encoded: BASE64.encode(bytes), ..SEALED.clone() };
        prop_assert!(file.open("correct horse").is_err());
    }

    #[test]
    fn any_plain_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut file = SEALED.clone();
        file.encoding.kind = vec!["none".to_owned()];
        file.encoded = BASE64.encode(bytes);
        prop_assert!(file.open("").is_err());
    }
}
