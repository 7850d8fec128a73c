//! Parameters of a request, one after the other. Optional ones may be null, or missing at the end.

use crate::error::Error;
use jsonrpsee::{core::JsonRawValue, types::Params};
use primitives::shown;
use serde::de::DeserializeOwned;
use std::vec::IntoIter;

/// Most parameters of any request; clients that know more than we do get an error.
const ARGS_MAX: usize = 16;
/// Longest part of a parser's message that is repeated.
const MESSAGE_CHARS_MAX: usize = 200;

/// What is left of a request's parameters.
#[derive(Debug)]
pub(crate) struct Args(IntoIter<Box<JsonRawValue>>);

impl Args {
    pub fn new(params: &Params<'_>) -> Result<Self, Error> {
        let all = match params.as_str() {
            None => Vec::new(),
            Some(text) => serde_json::from_str::<Option<Vec<Box<JsonRawValue>>>>(text)
                .map_err(|_| Error::Params("the parameters must be a list".to_owned()))?
                .unwrap_or_default(),
        };
        if all.len() > ARGS_MAX {
            return Err(Error::Params(format!("there are {} parameters, too many", all.len())));
        }
        Ok(Self(all.into_iter()))
    }

    /// The next parameter.
    pub fn next<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Error> {
        let missing = || Error::Params(format!("parameter `{name}` is missing"));
        self.optional(name)?.ok_or_else(missing)
    }

    /// The next parameter, if it is there and not null.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.0.next() else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|error| {
            let text = shown(&error.to_string(), MESSAGE_CHARS_MAX);
            Error::Params(format!("parameter `{name}`: {text}"))
        })
    }
}
