//! Metadata that is kept beside what describes it now.

use crate::{METADATA_VERSIONS, Rules, SPEC_VERSION, rules::kept};
use std::{collections::BTreeSet, env, fs, path::Path};

const FOLDER: &str = "metadata";

/// With `BLESS` set it writes the files, which the next build embeds.
#[test]
fn fixture_metadata_of_the_newest_rules_is_kept() {
    let rules = Rules::NEWEST;
    let digest = rules.metadata_digest().expect("the newest rules are described");
    let info = kept::Info { version: rules.version(), digest };
    let metadata = |version| rules.metadata(version).expect("it is served");
    if env::var_os("BLESS").is_some() {
        let json = serde_json::to_string_pretty(&info).expect("it is JSON") + "\n";
        let file = |ending: &str| Path::new(FOLDER).join(format!("{SPEC_VERSION}.{ending}"));
        fs::write(file("json"), json).expect("the folder is writable");
        for version in METADATA_VERSIONS {
            fs::write(file(&format!("v{version}")), metadata(version)).expect("so is this");
        }
        return;
    }
    let kept = kept::find(SPEC_VERSION).expect("src/rules/kept.rs names each version");
    assert_eq!(*kept.info, info);
    for version in METADATA_VERSIONS {
        let same = kept.metadata(version) == Some(metadata(version));
        assert!(same, "version {version} differs: cargo xtask bless, if it is meant");
    }
    assert_eq!(kept.metadata(13), None);
}

#[test]
fn each_kept_version_can_be_told_of() {
    let files = fs::read_dir(FOLDER).expect("the folder is there");
    let stems = files.map(|file| {
        let path = file.expect("it can be listed").path();
        path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned).unwrap_or_default()
    });
    let found: BTreeSet<String> = stems.filter(|stem| stem != "README").collect();
    let listed: BTreeSet<String> =
        kept::KEPT.iter().map(|kept| kept.spec_version.to_string()).collect();
    assert_eq!(found, listed);
    for kept in &kept::KEPT {
        assert_eq!(kept.info.version.spec_version, kept.spec_version);
        for version in METADATA_VERSIONS {
            let bytes = kept.metadata(version).expect("it is kept");
            let expected = [b"meta", &version.to_le_bytes()[..1]].concat();
            assert!(bytes.starts_with(&expected), "{}.v{version}", kept.spec_version);
        }
    }
}
