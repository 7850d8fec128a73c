//! What the rules are, and how they are described.

use super::{Api, Method, no_args};
use crate::{METADATA_VERSIONS, RuntimeVersion};
use codec::{DecodeAll, Encode};
use scale_info::meta_type;

pub(super) static CORE: Api = Api {
    name: "Core",
    version: 5,
    doc: "What every chain answers.",
    methods: &[Method {
        name: "version",
        doc: "The rules in force.",
        inputs: Vec::new,
        output: meta_type::<RuntimeVersion>,
        run: |view, args| no_args(args, || view.at.rules.version().encode()),
    }],
};

pub(super) static METADATA: Api = Api {
    name: "Metadata",
    version: 2,
    doc: "What clients are told of the chain.",
    methods: &[
        Method {
            name: "metadata",
            doc: "Metadata version 14.",
            inputs: Vec::new,
            output: meta_type::<Vec<u8>>,
            run: |view, args| {
                no_args(args, || view.at.rules.metadata(14).unwrap_or_default().encode())
            },
        },
        Method {
            name: "metadata_at_version",
            doc: "Metadata of a version, if it is served.",
            inputs: || vec![("version", meta_type::<u32>())],
            output: meta_type::<Option<Vec<u8>>>,
            run: |view, args| {
                let version = u32::decode_all(&mut &*args)?;
                Ok(view.at.rules.metadata(version).encode())
            },
        },
        Method {
            name: "metadata_versions",
            doc: "Versions of metadata that are served.",
            inputs: Vec::new,
            output: meta_type::<Vec<u32>>,
            run: |_, args| no_args(args, || METADATA_VERSIONS.to_vec().encode()),
        },
    ],
};
