//! Sentences about the table of features.

use super::table::{Features, parse_results, replace};

fn features() -> Features {
    let text = r#"{ "features": [
        { "name": "connect", "shows": "connects" },
        { "name": "batch", "shows": "several calls", "lack": { "two": "it cannot" } }
    ] }"#;
    Features::parse(text).expect("it is well-formed")
}

#[test]
fn a_feature_without_a_test_that_passed_is_named() {
    let check = |results| features().check("papi", &parse_results(results));
    assert!(check("passed connect\npassed batch\n").is_empty());
    assert_eq!(check("passed connect\n"), ["papi: the test batch did not run"]);
    assert_eq!(check("passed connect\nfailed batch\n"), ["papi: the test batch failed"]);
    let faults = check("passed connect\npassed batch\npassed other\n");
    assert_eq!(faults, ["papi: features.json does not name the test other"]);
}

#[test]
fn the_table_ticks_what_passed_and_replaces_the_old_one() {
    let (all, some) =
        (parse_results("passed connect\npassed batch"), parse_results("passed batch"));
    let columns = [("one 1.0".to_owned(), &all), ("two 2.0".to_owned(), &some)];
    let table = features().table(&columns);
    assert_eq!(
        table,
        "| Test | Shows | one 1.0 | two 2.0 |\n|---|---|:-:|:-:|\n\
         | `connect` | connects | ✓ |   |\n| `batch` | several calls | ✓ | no |\n\
         \n`batch`: two: it cannot.\n"
    );
    let readme = include_str!("../../clients/README.md");
    let once = replace(readme, &table).expect("the README has a place for it");
    assert!(once.contains(&table));
    assert_eq!(replace(&once, &table).expect("it still has"), once);
}
