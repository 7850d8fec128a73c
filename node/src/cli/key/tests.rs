use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: KeyCommand,
}

fn command(line: &[&str]) -> KeyCommand {
    Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).command
}

#[test]
fn a_stored_key_is_the_one_that_loads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("password"), "correct horse\nnot this line\n").expect("it can be written");
    let line =
        ["key", "store", "//Alice", "--out", &path("a.json"), "--password-file", &path("password")];
    run(command(&line)).expect("it stores");
    assert!(run(command(&line)).expect_err("it is there").to_string().contains("exists already"));

    let password = PasswordArgs { password_file: Some(path("password").into()) };
    let loaded = load(&path("a.json"), Scheme::Sr25519, &password).expect("it opens");
    let alice = load("//Alice", Scheme::Sr25519, &PasswordArgs::default()).expect("a known key");
    assert_eq!(loaded.account(), alice.account());

    std::fs::write(path("password"), "wrong").expect("it can be written");
    let error = load(&path("a.json"), Scheme::Sr25519, &password).expect_err("another password");
    assert!(format!("{error:#}").contains("password is wrong"), "{error:#}");
}

#[test]
fn what_names_no_key_is_explained_without_repeating_it() {
    let secret = "bottom drive obey lake curtain smoke basket hold race lonely fit bottom";
    let error =
        load(secret, Scheme::Sr25519, &PasswordArgs::default()).expect_err("a bad checksum");
    let text = format!("{error:#}");
    assert!(text.contains("checksum") && !text.contains("curtain"), "{text}");
}

#[test]
fn phrases_have_the_words_that_are_asked_for() {
    for (words, good) in [("12", true), ("24", true), ("13", false), ("0", false)] {
        assert_eq!(run(command(&["key", "generate", "--words", words])).is_ok(), good, "{words}");
    }
}
