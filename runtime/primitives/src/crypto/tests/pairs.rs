//! Secret URIs, keys and signatures.

use super::{bytes, pair};
use crate::{
    AccountId, MultiSignature,
    crypto::{
        keys::{self, SR25519_CONTEXT},
        pair::{EcdsaPair, Ed25519Pair, Pair, Scheme, Sr25519Pair},
        ss58,
        uri::{self, DEV_PHRASE, Error, SecretUri},
    },
};

const SCHEMES: [Scheme; 3] = [Scheme::Sr25519, Scheme::Ed25519, Scheme::Ecdsa];

#[test]
fn development_accounts_are_the_well_known_ones() {
    for (scheme, uri, address) in [
        (Scheme::Sr25519, "//Alice", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
        (Scheme::Sr25519, "//Bob", "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"),
        (Scheme::Sr25519, "//Charlie", "5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y"),
        (Scheme::Sr25519, "//Dave", "5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy"),
        (Scheme::Sr25519, "//Eve", "5HGjWAeFDfFCWPsjFQdVV2Msvz2XtMktvgocEZcCj68kUMaw"),
        (Scheme::Sr25519, "//Ferdie", "5CiPPseXPECbkjWCa6MnjNokrgYjMqmKndv2rSnekmSK2DjL"),
        (Scheme::Sr25519, "//Alice//stash", "5GNJqTPyNqANBkUVMN1LPPrxXnFouWXoe2wNSmmEoLctxiZY"),
        (Scheme::Sr25519, "//Bob//stash", "5HpG9w8EBLe5XCrbczpwq5TSXvedjrBGCwqxK1iQ7qUsSWFc"),
        (Scheme::Ed25519, "//Alice", "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu"),
        (Scheme::Ed25519, "//Bob", "5GoNkf6WdbxCFnPdAnYYQyCjAKPJgLNxXwPjwTh6DGg6gN3E"),
        (Scheme::Ecdsa, "//Alice", "5C7C2Z5sWbytvHpuLTvzKunnnRwQxft1jiqrLD5rhucQ5S9X"),
        (Scheme::Ecdsa, "//Bob", "5DVskgSC9ncWQpxFMeUn45NU43RUq93ByEge6ApbnLk6BR9N"),
        (Scheme::Ecdsa, "//Charlie", "5EP2cMaCxLzhfD3aFAqqgu3kfXH7GcwweEv6JXZRP6ysRHkQ"),
    ] {
        assert_eq!(pair(scheme, uri).account().to_string(), address, "{scheme} {uri}");
    }
    let Pair::Ecdsa(alice) = pair(Scheme::Ecdsa, "//Alice") else { unreachable!() };
    let public = bytes("020a1091341fe5664bfa1782d5e04779689068c916b04cb365ec3153755684d9a1");
    assert_eq!(alice.public(), public);
    let seed = bytes("e5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a");
    assert_eq!(
        Sr25519Pair::from_seed(&seed).public(),
        pair(Scheme::Sr25519, "//Alice").account().0
    );
}

/// Substrate's secret URI test vectors, as polkadot-js checks them.
#[test]
fn secret_uris_give_substrates_sr25519_keys() {
    for (path, public) in [
        ("", "46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a"),
        ("///password", "b69355deefa7a8f33e9297f5af22e680f03597a99d4f4b1c44be47e7a2275802"),
        ("/foo", "40b9675df90efa6069ff623b0fdfcf706cd47ca7452a5056c7ad58194d23440a"),
        ("//foo", "547d4a55642ec7ebadc0bd29b6e570b8c926059b3c0655d4948075e9a7e6f31e"),
        ("//foo/bar", "3841947ffcde6f5fef26fb68b59bb8665637e30e32ec2051f99cf6b9c674fe09"),
        ("/foo//bar", "dc142f7476a7b0aa262aeccf207f1d18daa90762db393006741e8a31f39dbc53"),
        ("//foo/bar//42/69", "a2e56b06407a6d1e819d2fc33fa0ec604b29c2e868b70b3696bb049b8725934b"),
        (
            "//foo/bar//42/69///password",
            "0e0d24e3e1ff2c07f269c99e2e0df8681fda1851ac42fc846ca2daaa90cd8f14",
        ),
        ("/Alice", "d6c71059dbbe9ad2b0ed3f289738b800836eb425544ce694825285b958ca755e"),
    ] {
        let with_words = pair(Scheme::Sr25519, &format!("{DEV_PHRASE}{path}"));
        assert_eq!(with_words.account(), AccountId(bytes(public)), "{path}");
        if path.starts_with('/') {
            assert_eq!(pair(Scheme::Sr25519, path).account(), with_words.account(), "{path}");
        }
    }
}

/// Numbers that fit into u64 are numbers, everything else is text, and long text is hashed.
#[test]
fn secret_uris_give_substrates_ed25519_seeds() {
    for (path, seed) in [
        ("//Alice", "abf8e5bdbe30c65656c0a3cbd181ff8a56294a69dfedd27982aace4a76909115"),
        ("//1//2//3", "b4b62b076ae5e9b63dc6a976924fa7a83bf0e7d2d627bd4374344f78c871e248"),
        ("//0", "f8dfdb0f1103d9fb2905204ac32529d5f148761c4321b2865b0a40e15be75f57"),
        ("//-1", "42fa53169f3fcff0bb2992abb50f40324779794e6833e788e7d18947feb0790b"),
        ("//00011111", "ebbc952247ed4c148e0d7ec2a60d8ee12d656240ea4f64065412a6feafadfb63"),
        ("//0xFF", "ae2383139b3aa529c5997ed82f62def14243fbf92bc9ef7badf72e0ff289ea82"),
        (
            "//18446744073709551615",
            "62f06c42dd25e780d5be1610c571e5eaa30fc3d510d946f92fb88f17e94449a7",
        ),
        (
            "//18446744073709551616",
            "e95232125504305f665b8e8c891e1e1e87fcbb0b4eff38a9e100862207d2ce97",
        ),
    ] {
        let made = Ed25519Pair::from_uri(path).expect("the URI is good");
        assert_eq!(made.to_seed(), bytes(seed), "{path}");
    }
    let long = "//qwertyuiopqwertyuiopqwertyuiop12";
    let junction = &SecretUri::parse(long).expect("the URI is good").junctions()[0].clone();
    let encoded = [&[0x80][..], &long.as_bytes()[2..]].concat();
    assert_eq!(*junction.chain_code(), crate::crypto::hash::blake2_256(&encoded).0);
}

#[test]
fn phrases_and_entropy_are_bip_39s() {
    for (entropy, phrase, seed) in [
        (
            "9e885d952ad362caeb4efe34a8e91bd2",
            "ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic",
            "f4956be6960bc145cdab782e649a5056598fd07cd3f32ceb73421c3da2783324",
        ),
        (
            "6610b25967cdcca9d59875f5cb50b0ea75433311869e930b",
            "gravity machine north sort system female filter attitude volume fold club stay \
             feature office ecology stable narrow fog",
            "fbcc5229ade0c0ff018cb7a329c5459f91876e4dde2a97ddf03c832eab7f2612",
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open \
             amazing screen patrol group space point ten exist slush involve unfold",
            "938ba18c3f521f19bd4a399c8425b02c716844325b1a65106b9d1593fbafe5e0",
        ),
    ] {
        let entropy = hex::decode(entropy).expect("the fixture is hex");
        assert_eq!(uri::phrase_from_entropy(&entropy).as_deref(), Ok(phrase));
        let with_password = format!("{phrase}///Substrate");
        let parsed = SecretUri::parse(&with_password).expect("the URI is good");
        assert_eq!(parsed.seed(), Ok(bytes(seed)));
    }
    assert_eq!(uri::phrase_from_entropy(&[0; 15]), Err(Error::BadEntropy(15)));
    assert_eq!(uri::phrase_from_entropy(&[0; 36]), Err(Error::BadEntropy(36)));
}

#[test]
fn a_bad_uri_says_what_is_wrong_and_not_what_it_is() {
    let seed = "0x".to_string() + &"ab".repeat(32);
    for (text, expected) in [
        ("", Error::Empty),
        ("//", Error::EmptyJunction(1)),
        ("//Alice/", Error::EmptyJunction(2)),
        ("0x1234", Error::BadSeed),
        (&format!("{seed}ab"), Error::BadSeed),
        (&seed.replace('b', "g"), Error::BadSeed),
        (&format!("{seed}///secret"), Error::PasswordWithSeed),
        ("bottom drive obey", Error::BadWordCount(3)),
        (&DEV_PHRASE.replace("smoke", "smokes"), Error::UnknownWord(6)),
        (&DEV_PHRASE.replace("walk", "zoo"), Error::BadPhrase),
        (&"a".repeat(uri::URI_BYTES_MAX + 1), Error::TooLong(uri::URI_BYTES_MAX + 1)),
    ] {
        for scheme in SCHEMES {
            assert_eq!(Pair::from_uri(scheme, text).err(), Some(expected.clone()), "{text}");
        }
    }
    for scheme in [Scheme::Ed25519, Scheme::Ecdsa] {
        let error = Pair::from_uri(scheme, "//Alice/0").expect_err("the junction is soft");
        assert_eq!(error, Error::SoftJunction { scheme, number: 2 });
        assert!(!error.to_string().contains("Alice"));
    }
    assert_eq!(
        EcdsaPair::from_uri(&("0x".to_string() + &"f".repeat(64))).err(),
        Some(Error::NotASecp256k1Key)
    );
}

/// Signatures that other implementations made.
#[test]
fn foreign_signatures_verify() {
    let message = b"this is a message";
    let sr25519 = MultiSignature::Sr25519(bytes(
        "4e172314444b8f820bb54c22e95076f220ed25373e5c178234aa6c211d292712\
         44b947e3ff3418ff6b45fd1df1140c8cbff69fc58ee6dc96df70936a2bb74b82",
    ));
    let account = pair(Scheme::Sr25519, DEV_PHRASE).account();
    assert!(keys::verify(&account, message, &sr25519));
    assert!(!keys::verify(&account, b"another message", &sr25519));

    let ed25519 = bytes(
        "90588f3f512496f2dd40571d162e8182860081c74e2085316e7c4396918f07da\
         412ee029978e4dd714057fe973bd9e7d645148bf7b66680d67c93227cde95202",
    );
    let pair = Ed25519Pair::from_seed(b"12345678901234567890123456789012");
    let public = bytes("2f8c6129d816cf51c374bc7f08c3e63ed156cf78aefb4a6550d97b87997977ee");
    assert_eq!(pair.public(), public);
    assert!(keys::verify_ed25519(&public, message, &ed25519));
    assert_eq!(pair.sign(message), ed25519);

    // Made by Substrate's ecdsa pair.
    let pair = EcdsaPair::from_uri("//Alice///password").expect("the URI is good");
    assert_eq!(
        pair.sign(b"Hello, World!"),
        bytes(
            "1165d9a3bd097685d04fb54b9c0e312aba2617ebeee84664055b789e454b2982\
             6acf86d7d71592f28bf6de1b94bb20f1458eb3a385b621d4ee9c0130415a92fd00"
        ),
    );
}

/// Signed before Substrate 1.1: another transcript and no marker bit.
#[test]
fn signatures_of_old_sr25519_are_refused() {
    let public = bytes("b4bfa1f7a5166695eb75299fd1c4c03ea212871c342f2c5dfea0902b2c246918");
    let signature = bytes(
        "5a9755f069939f45d96aaf125cf5ce7ba1db998686f87f2fb3cbdea922078741\
         a73891ba265f70c31436e18a9acd14d189d73c12317ab6c313285cd938453202",
    );
    let message =
        b"Verifying that I am the owner of 5G9hQLdsKQswNPgB499DeA5PkFBbgkLPJWkkS6FAM6xGQ8xD. \
                    Hash: 221455a3\n";
    assert!(!keys::verify_sr25519(&public, SR25519_CONTEXT, message, &signature));
}

#[test]
fn what_a_pair_signs_verifies_for_its_account_alone() {
    for scheme in SCHEMES {
        let (alice, bob) = (pair(scheme, "//Alice"), pair(scheme, "//Bob"));
        let signature = alice.sign(b"message");
        assert!(keys::verify(&alice.account(), b"message", &signature));
        assert!(!keys::verify(&bob.account(), b"message", &signature));
        assert!(!keys::verify(&alice.account(), b"massage", &signature));
        assert_eq!(signature, alice.sign(b"message"), "signing is deterministic");
        assert_ne!(signature, alice.sign(b"massage"));
    }
    let Pair::Sr25519(soft) = pair(Scheme::Sr25519, "//Alice/0/1") else { unreachable!() };
    let signature = soft.sign(SR25519_CONTEXT, b"message");
    assert!(keys::verify_sr25519(&soft.public(), SR25519_CONTEXT, b"message", &signature));
    assert!(!keys::verify_sr25519(&soft.public(), b"another use", b"message", &signature));
}

/// The same message under two keys, two contexts, or signed twice with a related key never repeats
/// a nonce.
#[test]
fn deterministic_nonces_do_not_repeat() {
    let pair = |uri| Sr25519Pair::from_uri(uri).expect("the URI is good");
    let mut points: Vec<_> = ["//Alice", "//Alice/0", "//Alice/1", "//Bob"]
        .map(pair)
        .iter()
        .flat_map(|pair| {
            [(SR25519_CONTEXT, b"a"), (SR25519_CONTEXT, b"b"), (b"another use", b"a")]
                .map(|(context, message)| pair.sign(context, message)[..32].to_vec())
        })
        .collect();
    points.sort();
    points.dedup();
    assert_eq!(points.len(), 12);
}

#[test]
fn secret_keys_survive_storage() {
    let soft = Sr25519Pair::from_uri("//Alice/soft").expect("the URI is good");
    let restored = Sr25519Pair::from_secret(&soft.to_secret()).expect("it was made by `to_secret`");
    assert_eq!(restored.public(), soft.public());
    assert_eq!(restored.sign(b"context", b"a"), soft.sign(b"context", b"a"));
    // The secret key of the development phrase in a wallet's JSON file.
    let root = Sr25519Pair::from_uri(DEV_PHRASE).expect("the URI is good");
    let secret = bytes(
        "28b0ae221c6bb06856b287f60d7ea0d98552ea5a16db16956849aa371db3eb51\
         fd190cce74df356432b410bd64682309d6dedb27c76845daf388557cbac3ca34",
    );
    assert_eq!(root.to_secret(), secret);
    assert!(Sr25519Pair::from_secret(&[255; 64]).is_none());

    let ed25519 = Ed25519Pair::from_uri("//Alice").expect("the URI is good");
    assert_eq!(Ed25519Pair::from_seed(&ed25519.to_seed()).public(), ed25519.public());
    let ecdsa = EcdsaPair::from_uri("//Alice").expect("the URI is good");
    let restored = EcdsaPair::from_seed(&ecdsa.to_seed()).expect("it was made by `to_seed`");
    assert_eq!(restored.public(), ecdsa.public());
    assert!(EcdsaPair::from_seed(&[0; 32]).is_none());
}

#[test]
fn debug_output_shows_no_secret() {
    for scheme in SCHEMES {
        let shown = format!("{:?}", pair(scheme, "//Alice"));
        let secret = match pair(scheme, "//Alice") {
            Pair::Sr25519(pair) => hex::encode(&pair.to_secret()[..32]),
            Pair::Ed25519(pair) => hex::encode(pair.to_seed()),
            Pair::Ecdsa(pair) => hex::encode(pair.to_seed()),
        };
        assert!(!shown.contains(&secret), "{shown}");
    }
}

#[test]
fn schemes_are_text_both_ways() {
    for scheme in SCHEMES {
        assert_eq!(scheme.to_string().parse(), Ok(scheme));
    }
    assert!("rsa".parse::<Scheme>().is_err());
    // Another network's polkadot-js account: ed25519 from words.
    let words = "sample split bamboo west visual approve brain fox arch impact relief smile";
    let account = pair(Scheme::Ed25519, words).account();
    assert_eq!(account.to_string(), "5CSbZ7wG456oty4WoiX6a1J88VUbrCXLhrKVJ9q95BsYH4TZ");
    assert_eq!(ss58::encode(&account.0, 2), "CxDDSH8gS7jecsxaRL9Txf8H5kqesLXAEAEgp76Yz632J9M");
}
