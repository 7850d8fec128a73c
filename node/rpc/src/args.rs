//! Parameters of a request, one after the other. Optional ones may be null, or missing at the end. Of lists no more is read
//! than they may have.

use crate::error::Error;
use jsonrpsee::{core::JsonRawValue, types::Params};
use primitives::shown;
use serde::{
    Deserialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData, vec::IntoIter};

/// Most parameters of any request; clients that know more than we do get an error.
const ARGS_MAX: usize = 16;
/// Longest part of a parser's message that is repeated.
const MESSAGE_CHARS_MAX: usize = 200;

/// What is left of a request's parameters.
#[derive(Debug)]
pub(crate) struct Args(IntoIter<Box<JsonRawValue>>);

/// One of something, or a list.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl Args {
    pub fn new(params: &Params<'_>) -> Result<Self, Error> {
        let text = params.as_str().map_or("null", str::trim);
        let all = match text {
            "null" => Ok(Vec::new()),
            list => read_list(list, ARGS_MAX),
        };
        let all = all.map_err(|fault| match fault {
            Fault::TooMany => Error::Params(format!("there are more than {ARGS_MAX} parameters")),
            Fault::Json(_) => Error::Params("the parameters must be a list".to_owned()),
        })?;
        Ok(Self(all.into_iter()))
    }

    /// The next parameter.
    pub fn next<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Error> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    /// The next parameter, if it is there and not null.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.0.next() else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|error| wrong(name, &error))
    }

    /// The next parameter, a list of no more than `max`.
    pub fn list<T: DeserializeOwned>(&mut self, name: &str, max: usize) -> Result<Vec<T>, Error> {
        let value = self.0.next().ok_or_else(|| missing(name))?;
        read_list(value.get(), max).map_err(|fault| match fault {
            Fault::TooMany => Error::CountTooLarge { value: max + 1, max },
            Fault::Json(error) => wrong(name, &error),
        })
    }

    /// The next parameter, one or a list of no more than `max`, if it is there and not null.
    pub fn one_or_many<T: DeserializeOwned>(
        &mut self,
        name: &str,
        max: usize,
    ) -> Result<Option<OneOrMany<T>>, Error> {
        match self.0.as_slice().first() {
            Some(value) if value.get().starts_with('[') => {
                self.list(name, max).map(|all| Some(OneOrMany::Many(all)))
            }
            _ => Ok(self.optional(name)?.map(OneOrMany::One)),
        }
    }
}

fn missing(name: &str) -> Error {
    Error::Params(format!("parameter `{name}` is missing"))
}

fn wrong(name: &str, error: &serde_json::Error) -> Error {
    let text = shown(&error.to_string(), MESSAGE_CHARS_MAX);
    Error::Params(format!("parameter `{name}`: {text}"))
}

/// Why a list was not read.
enum Fault {
    TooMany,
    Json(serde_json::Error),
}

fn read_list<T: DeserializeOwned>(json: &str, max: usize) -> Result<Vec<T>, Fault> {
    let mut is_too_long = false;
    let list = List { max, is_too_long: &mut is_too_long, item: PhantomData };
    let mut json = serde_json::Deserializer::from_str(json);
    let read = list.deserialize(&mut json).and_then(|all| json.end().map(|()| all));
    read.map_err(|error| if is_too_long { Fault::TooMany } else { Fault::Json(error) })
}

/// Reads a list up to its bound.
struct List<'a, T> {
    max: usize,
    is_too_long: &'a mut bool,
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for List<'_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = list.next_element()? {
            if all.len() == self.max {
                *self.is_too_long = true;
                return Err(A::Error::custom("the list is too long"));
            }
            all.push(item);
        }
        Ok(all)
    }
}
