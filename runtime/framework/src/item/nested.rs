//! Values by keys of several parts.

use super::{Item, ItemMeta, KeyHasher, PREFIX_LEN, StorageItem, Twox64Concat};
use crate::Ctx;
use codec::{Codec, Decode, Encode, Error};
use primitives::{RawKey, StateRead};
use scale_info::{StaticTypeInfo, meta_type};
use std::marker::PhantomData;

/// A key of several parts, each of which is hashed by itself: clients list what is under the first.
pub trait KeyParts: Codec + StaticTypeInfo {
    /// The first part.
    type First: Encode;
    /// How many parts there are.
    const COUNT: usize;
    /// Appends the parts with their hashes.
    fn write(&self, out: &mut RawKey);
    /// Reads the parts and passes over their hashes.
    ///
    /// # Errors
    ///
    /// If the bytes are not those that [`Self::write`] makes.
    fn read(input: &mut &[u8]) -> Result<Self, Error>;
}

fn write_part(part: &impl Encode, out: &mut RawKey) {
    Twox64Concat::write(&part.encode(), out);
}

fn read_part<T: Decode>(input: &mut &[u8]) -> Result<T, Error> {
    *input = input.get(Twox64Concat::HASH_LEN..).ok_or("a part of the key is missing")?;
    T::decode(input)
}

impl<A: Codec + StaticTypeInfo, B: Codec + StaticTypeInfo> KeyParts for (A, B) {
    type First = A;
    const COUNT: usize = 2;

    fn write(&self, out: &mut RawKey) {
        write_part(&self.0, out);
        write_part(&self.1, out);
    }

    fn read(input: &mut &[u8]) -> Result<Self, Error> {
        Ok((read_part(input)?, read_part(input)?))
    }
}

impl<A, B, C> KeyParts for (A, B, C)
where
    A: Codec + StaticTypeInfo,
    B: Codec + StaticTypeInfo,
    C: Codec + StaticTypeInfo,
{
    type First = A;
    const COUNT: usize = 3;

    fn write(&self, out: &mut RawKey) {
        write_part(&self.0, out);
        write_part(&self.1, out);
        write_part(&self.2, out);
    }

    fn read(input: &mut &[u8]) -> Result<Self, Error> {
        Ok((read_part(input)?, read_part(input)?, read_part(input)?))
    }
}

/// Values by keys of two or three parts, as Substrate's clients know double maps: all hashed by
/// [`Twox64Concat`].
pub struct NestedMap<K, V> {
    item: Item,
    default: Option<fn() -> Vec<u8>>,
    _type: PhantomData<fn() -> (K, V)>,
}

impl<K: KeyParts, V: Codec + StaticTypeInfo> NestedMap<K, V> {
    /// The map `name` of `pallet`.
    pub const fn new(pallet: &'static str, name: &'static str, doc: &'static str) -> Self {
        Self { item: Item::new(pallet, name, doc), default: None, _type: PhantomData }
    }

    /// The same; clients read the default where nothing is stored.
    pub const fn new_default(pallet: &'static str, name: &'static str, doc: &'static str) -> Self
    where
        V: Default,
    {
        Self {
            item: Item::new(pallet, name, doc),
            default: Some(super::encoded_default::<V>),
            _type: PhantomData,
        }
    }

    fn key(&self, key: &K) -> RawKey {
        let mut raw = self.item.prefix.to_vec();
        key.write(&mut raw);
        raw
    }

    /// The value under `key`, if one is stored.
    pub fn get(&self, state: &dyn StateRead, key: &K) -> Option<V> {
        Some(self.item.decode(&state.get(&self.key(key))?))
    }

    /// Stores a value.
    pub fn set(&self, cx: &mut Ctx, key: &K, value: &V) {
        cx.put(self.key(key), Some(value.encode()));
    }

    /// Deletes a value.
    pub fn remove(&self, cx: &mut Ctx, key: &K) {
        cx.put(self.key(key), None);
    }

    /// All entries, in the order of raw keys: for checks and queries.
    pub fn iter<'a>(&'a self, state: &'a dyn StateRead) -> impl Iterator<Item = (K, V)> + 'a {
        self.under_prefix(state, self.item.prefix.to_vec())
    }

    /// The entries under a first part, in the order of raw keys; take what you need, each costs two reads.
    pub fn under<'a>(
        &'a self,
        state: &'a dyn StateRead,
        first: &K::First,
    ) -> impl Iterator<Item = (K, V)> + 'a {
        let mut prefix = self.item.prefix.to_vec();
        write_part(first, &mut prefix);
        self.under_prefix(state, prefix)
    }

    fn under_prefix<'a>(
        &'a self,
        state: &'a dyn StateRead,
        prefix: RawKey,
    ) -> impl Iterator<Item = (K, V)> + 'a {
        let mut cursor = prefix.clone();
        std::iter::from_fn(move || {
            cursor = state.next_key(&prefix, &cursor)?;
            let value = state.get(&cursor).expect("next_key names keys that exist");
            let Item { pallet, name, .. } = self.item;
            let key = K::read(&mut &cursor[PREFIX_LEN..])
                .unwrap_or_else(|e| panic!("corrupt key in {pallet}.{name}: {e}"));
            Some((key, self.item.decode(&value)))
        })
    }
}

impl<K: KeyParts, V: StaticTypeInfo> StorageItem for NestedMap<K, V> {
    fn meta(&self) -> ItemMeta {
        ItemMeta {
            item: self.item,
            hashers: vec![Twox64Concat::HASHER; K::COUNT],
            key: Some(meta_type::<K>()),
            value: meta_type::<V>(),
            default: self.default.map(|encode| encode()),
        }
    }
}
