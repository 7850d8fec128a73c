//! Calls and events as JSON that people read, by the types that metadata tells of.

use crate::{RuntimeCall, RuntimeEvent};
use codec::{Compact, Decode, Encode, Error};
use primitives::AccountId;
use scale_info::{
    Field, PortableRegistry, Registry, TypeDef, TypeDefPrimitive, form::PortableForm, meta_type,
};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Path of the type that is shown as an address.
const ACCOUNT_PATH: [&str; 3] = ["sp_core", "crypto", "AccountId32"];

/// What a call or an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readable {
    /// Pallet and variant, such as `Balances.transfer_keep_alive`.
    pub name: String,
    /// The fields by name. Accounts are addresses, bytes 0x-hex, numbers above 64 bits decimal strings; a variant is its
    /// name or an object with its name alone, an absent value null.
    pub fields: Value,
}

struct Types {
    registry: PortableRegistry,
    call: u32,
    event: u32,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let mut registry = Registry::new();
    let call = registry.register_type(&meta_type::<RuntimeCall>()).id;
    let event = registry.register_type(&meta_type::<RuntimeEvent>()).id;
    Types { registry: registry.into(), call, event }
});

/// A call with its arguments.
pub(crate) fn call(call: &RuntimeCall) -> Readable {
    read(TYPES.call, &call.encode())
}

/// An event with its fields.
pub(crate) fn event(event: &RuntimeEvent) -> Readable {
    read(TYPES.event, &event.encode())
}

/// Both are a variant of a pallet inside a variant for the pallet.
fn read(ty: u32, bytes: &[u8]) -> Readable {
    let value = value(ty, &mut &*bytes).expect("what was just encoded has the form of its type");
    let (pallet, inner) = variant(value);
    let (name, fields) = variant(inner);
    Readable { name: format!("{pallet}.{name}"), fields }
}

/// Name and contents of a variant that [`value`] made.
fn variant(value: Value) -> (String, Value) {
    match value {
        Value::Object(object) => {
            object.into_iter().next().expect("a variant with fields has its name")
        }
        Value::String(name) => (name, json!({})),
        _ => unreachable!("a variant is an object or a name"),
    }
}

fn value(ty: u32, input: &mut &[u8]) -> Result<Value, Error> {
    let ty = TYPES.registry.resolve(ty).ok_or("a type is missing")?;
    match &ty.type_def {
        TypeDef::Composite(_) if ty.path.segments == ACCOUNT_PATH => {
            Ok(json!(AccountId::decode(input)?))
        }
        TypeDef::Composite(composite) => fields(&composite.fields, input),
        TypeDef::Variant(definition) => {
            let index = u8::decode(input)?;
            let found = definition.variants.iter().find(|variant| variant.index == index);
            let found = found.ok_or("there is no such variant")?;
            if ty.path.segments == ["Option"] {
                let inner = found.fields.first();
                return inner.map_or(Ok(Value::Null), |field| value(field.ty.id, input));
            }
            if found.fields.is_empty() {
                return Ok(json!(found.name));
            }
            let inner = fields(&found.fields, input)?;
            Ok(Value::Object(Map::from_iter([(found.name.clone(), inner)])))
        }
        TypeDef::Sequence(sequence) => {
            let count = Compact::<u32>::decode(input)?.0;
            list(sequence.type_param.id, count, input)
        }
        TypeDef::Array(array) => list(array.type_param.id, array.len, input),
        TypeDef::Tuple(tuple) if tuple.fields.is_empty() => Ok(Value::Null),
        TypeDef::Tuple(tuple) => tuple.fields.iter().map(|ty| value(ty.id, input)).collect(),
        TypeDef::Primitive(primitive) => number(primitive, input),
        TypeDef::Compact(compact) => match primitive(compact.type_param.id) {
            Some(TypeDefPrimitive::U128) => {
                Ok(json!(Compact::<u128>::decode(input)?.0.to_string()))
            }
            Some(_) => Ok(json!(Compact::<u64>::decode(input)?.0)),
            // Only `()` is compact besides numbers, and has no bytes.
            None => Ok(Value::Null),
        },
        TypeDef::BitSequence(_) => Err("bit sequences are not known here".into()),
    }
}

/// Fields by name; one without a name stands for the whole.
fn fields(fields: &[Field<PortableForm>], input: &mut &[u8]) -> Result<Value, Error> {
    match fields {
        [] => Ok(Value::Null),
        [only] if only.name.is_none() => value(only.ty.id, input),
        [first, ..] if first.name.is_none() => {
            fields.iter().map(|field| value(field.ty.id, input)).collect()
        }
        _ => {
            let named = fields.iter().map(|field| {
                Ok((field.name.clone().unwrap_or_default(), value(field.ty.id, input)?))
            });
            Ok(Value::Object(named.collect::<Result<_, Error>>()?))
        }
    }
}

fn list(item: u32, count: u32, input: &mut &[u8]) -> Result<Value, Error> {
    if primitive(item) != Some(TypeDefPrimitive::U8) {
        return (0..count).map(|_| value(item, input)).collect();
    }
    let count = usize::try_from(count).map_err(|_| Error::from("the list is too long"))?;
    let (bytes, rest) = input.split_at_checked(count).ok_or("bytes are missing")?;
    *input = rest;
    Ok(json!(format!("0x{}", hex::encode(bytes))))
}

fn primitive(ty: u32) -> Option<TypeDefPrimitive> {
    match &TYPES.registry.resolve(ty)?.type_def {
        TypeDef::Primitive(primitive) => Some(primitive.clone()),
        _ => None,
    }
}

fn number(primitive: &TypeDefPrimitive, input: &mut &[u8]) -> Result<Value, Error> {
    use TypeDefPrimitive as Of;
    Ok(match primitive {
        Of::Bool => json!(bool::decode(input)?),
        Of::Char => json!(u32::decode(input)?),
        Of::Str => json!(String::decode(input)?),
        Of::U8 => json!(u8::decode(input)?),
        Of::U16 => json!(u16::decode(input)?),
        Of::U32 => json!(u32::decode(input)?),
        Of::U64 => json!(u64::decode(input)?),
        Of::U128 => json!(u128::decode(input)?.to_string()),
        Of::I8 => json!(i8::decode(input)?),
        Of::I16 => json!(i16::decode(input)?),
        Of::I32 => json!(i32::decode(input)?),
        Of::I64 => json!(i64::decode(input)?),
        Of::I128 => json!(i128::decode(input)?.to_string()),
        Of::U256 | Of::I256 => json!(format!("0x{}", hex::encode(<[u8; 32]>::decode(input)?))),
    })
}
