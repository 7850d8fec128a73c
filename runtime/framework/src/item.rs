//! Typed storage: where values stand in state, under the keys that Substrate's clients compute.

mod nested;

pub use nested::{KeyParts, NestedMap};

use crate::Ctx;
use codec::{Codec, Decode, Encode, Error, Input, MaxEncodedLen, Output};
use frame_metadata::v14::StorageHasher;
use primitives::{
    Moment, RawKey, StateRead,
    crypto::hash::{blake2_128, twox_64, twox_128},
};
use scale_info::{MetaType, StaticTypeInfo, Type, TypeInfo, meta_type};
use std::marker::PhantomData;

/// Length of an item's prefix: two twox-128 hashes.
const PREFIX_LEN: usize = 32;

/// Address of a storage item: twox128(pallet) ++ twox128(item), computed at compile time.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Name of the pallet.
    pub pallet: &'static str,
    /// Name of the item.
    pub name: &'static str,
    /// What the item holds, for users.
    pub doc: &'static str,
    prefix: [u8; PREFIX_LEN],
}

impl Item {
    const fn new(pallet: &'static str, name: &'static str, doc: &'static str) -> Self {
        let (of_pallet, of_name) = (twox_128(pallet), twox_128(name));
        let mut prefix = [0; PREFIX_LEN];
        let mut i = 0;
        while i < 16 {
            prefix[i] = of_pallet[i];
            prefix[i + 16] = of_name[i];
            i += 1;
        }
        Self { pallet, name, doc, prefix }
    }

    /// What the item's keys begin with.
    pub const fn prefix(&self) -> &[u8; PREFIX_LEN] {
        &self.prefix
    }

    /// Whether a raw key belongs to the item.
    pub fn owns(&self, key: &[u8]) -> bool {
        key.starts_with(&self.prefix)
    }

    /// Decodes what the chain itself has written; anything else is corrupt state and fatal.
    fn decode<T: Decode>(&self, raw: &[u8]) -> T {
        T::decode(&mut &raw[..])
            .unwrap_or_else(|e| panic!("corrupt state in {}.{}: {e}", self.pallet, self.name))
    }
}

/// How a map's keys become raw keys. All let clients read the key back.
pub trait KeyHasher: Send + Sync + 'static {
    /// The hasher as metadata names it.
    const HASHER: StorageHasher;
    /// Bytes of hash that stand before the key itself.
    const HASH_LEN: usize;
    /// Appends the hash and the key.
    fn write(key: &[u8], out: &mut RawKey);
}

/// For keys that users can choose.
#[allow(non_camel_case_types)] // Substrate's name.
pub struct Blake2_128Concat;
/// For keys that users cannot choose.
pub struct Twox64Concat;
/// For keys that are hashes already, or whose order matters.
pub struct Identity;

impl KeyHasher for Blake2_128Concat {
    const HASHER: StorageHasher = StorageHasher::Blake2_128Concat;
    const HASH_LEN: usize = 16;
    fn write(key: &[u8], out: &mut RawKey) {
        out.extend_from_slice(&blake2_128(key));
        out.extend_from_slice(key);
    }
}

impl KeyHasher for Twox64Concat {
    const HASHER: StorageHasher = StorageHasher::Twox64Concat;
    const HASH_LEN: usize = 8;
    fn write(key: &[u8], out: &mut RawKey) {
        out.extend_from_slice(&twox_64(key));
        out.extend_from_slice(key);
    }
}

impl KeyHasher for Identity {
    const HASHER: StorageHasher = StorageHasher::Identity;
    const HASH_LEN: usize = 0;
    fn write(key: &[u8], out: &mut RawKey) {
        out.extend_from_slice(key);
    }
}

fn encoded_default<T: Default + Encode>() -> Vec<u8> {
    T::default().encode()
}

/// One value.
pub struct Value<T> {
    item: Item,
    default: Option<fn() -> Vec<u8>>,
    _type: PhantomData<fn() -> T>,
}

impl<T: Codec + StaticTypeInfo> Value<T> {
    /// The value `name` of `pallet`.
    pub const fn new(pallet: &'static str, name: &'static str, doc: &'static str) -> Self {
        Self { item: Item::new(pallet, name, doc), default: None, _type: PhantomData }
    }

    /// The same; clients read the default where nothing is stored.
    pub const fn new_default(pallet: &'static str, name: &'static str, doc: &'static str) -> Self
    where
        T: Default,
    {
        Self {
            item: Item::new(pallet, name, doc),
            default: Some(encoded_default::<T>),
            _type: PhantomData,
        }
    }

    /// The raw key.
    pub fn key(&self) -> RawKey {
        self.item.prefix.to_vec()
    }

    /// The value, if one is stored.
    pub fn get(&self, state: &dyn StateRead) -> Option<T> {
        Some(self.item.decode(&state.get(&self.item.prefix)?))
    }

    /// Stores a value.
    pub fn set(&self, cx: &mut Ctx, value: &T) {
        cx.put(self.key(), Some(value.encode()));
    }

    /// Deletes the value.
    pub fn remove(&self, cx: &mut Ctx) {
        cx.put(self.key(), None);
    }
}

/// A map owns none of these; it only makes them.
type Entries<K, V, H> = fn() -> (K, V, H);

/// Values by key.
pub struct Map<K, V, H = Blake2_128Concat> {
    item: Item,
    default: Option<fn() -> Vec<u8>>,
    _type: PhantomData<Entries<K, V, H>>,
}

impl<K: Codec + StaticTypeInfo, V: Codec + StaticTypeInfo, H: KeyHasher> Map<K, V, H> {
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
            default: Some(encoded_default::<V>),
            _type: PhantomData,
        }
    }

    /// The raw key of an entry.
    pub fn key(&self, key: &K) -> RawKey {
        let encoded = key.encode();
        let mut raw = RawKey::with_capacity(PREFIX_LEN + H::HASH_LEN + encoded.len());
        raw.extend_from_slice(&self.item.prefix);
        H::write(&encoded, &mut raw);
        raw
    }

    /// The value under `key`, if one is stored.
    pub fn get(&self, state: &dyn StateRead, key: &K) -> Option<V> {
        Some(self.item.decode(&state.get(&self.key(key))?))
    }

    /// Whether a value is stored under `key`.
    pub fn contains(&self, state: &dyn StateRead, key: &K) -> bool {
        state.get(&self.key(key)).is_some()
    }

    /// Stores a value.
    pub fn set(&self, cx: &mut Ctx, key: &K, value: &V) {
        cx.put(self.key(key), Some(value.encode()));
    }

    /// Deletes a value.
    pub fn remove(&self, cx: &mut Ctx, key: &K) {
        cx.put(self.key(key), None);
    }

    /// The entry under `key`, to be changed and stored.
    pub fn entry(&self, state: &dyn StateRead, key: &K) -> Entry<V> {
        let raw = self.key(key);
        let value = state.get(&raw).map(|value| self.item.decode(&value));
        Entry { raw, value }
    }

    /// The key that a raw key of this map stands for.
    fn decode_key(&self, raw: &[u8]) -> K {
        self.item.decode(&raw[PREFIX_LEN + H::HASH_LEN..])
    }

    /// All entries, in the order of raw keys: for checks, queries and hooks that stop early. Calls
    /// look up, they do not scan.
    pub fn iter<'a>(&'a self, state: &'a dyn StateRead) -> impl Iterator<Item = (K, V)> + 'a {
        let mut cursor = self.item.prefix.to_vec();
        std::iter::from_fn(move || {
            cursor = state.next_key(&self.item.prefix, &cursor)?;
            let value = state.get(&cursor).expect("next_key names keys that exist");
            Some((self.decode_key(&cursor), self.item.decode(&value)))
        })
    }

    /// The first entry whose raw key comes after that of `after`: a hook's cursor.
    pub fn next_after(&self, state: &dyn StateRead, after: Option<&K>) -> Option<(K, V)> {
        let cursor = after.map_or_else(|| self.item.prefix.to_vec(), |key| self.key(key));
        let raw = state.next_key(&self.item.prefix, &cursor)?;
        let value = state.get(&raw).expect("next_key names keys that exist");
        Some((self.decode_key(&raw), self.item.decode(&value)))
    }
}

/// An entry of a map between reading and writing it, so that its key is hashed once.
pub struct Entry<V> {
    raw: RawKey,
    /// The value; `None` where none is stored or none is to be.
    pub value: Option<V>,
}

impl<V: Encode> Entry<V> {
    /// Writes the value, or deletes it where it is `None`.
    pub fn store(self, cx: &mut Ctx) {
        cx.put(self.raw, self.value.map(|value| value.encode()));
    }
}

/// A set of pairs, listed by its first half: an index that many transactions extend without
/// conflict.
pub struct PairSet<A, B> {
    item: Item,
    _type: PhantomData<fn() -> (A, B)>,
}

impl<A: Codec + StaticTypeInfo, B: Codec + StaticTypeInfo> PairSet<A, B> {
    /// The set `name` of `pallet`.
    pub const fn new(pallet: &'static str, name: &'static str, doc: &'static str) -> Self {
        Self { item: Item::new(pallet, name, doc), _type: PhantomData }
    }

    fn prefix(&self, first: &A) -> RawKey {
        let mut raw = self.item.prefix.to_vec();
        Twox64Concat::write(&first.encode(), &mut raw);
        raw
    }

    fn key(&self, first: &A, second: &B) -> RawKey {
        let mut raw = self.prefix(first);
        Identity::write(&second.encode(), &mut raw);
        raw
    }

    /// Adds a pair.
    pub fn insert(&self, cx: &mut Ctx, first: &A, second: &B) {
        cx.put(self.key(first, second), Some(Vec::new()));
    }

    /// Takes a pair out.
    pub fn remove(&self, cx: &mut Ctx, first: &A, second: &B) {
        cx.put(self.key(first, second), None);
    }

    /// Whether the pair is in the set.
    pub fn contains(&self, state: &dyn StateRead, first: &A, second: &B) -> bool {
        state.get(&self.key(first, second)).is_some()
    }

    /// What is paired with `first`, in the order of its bytes.
    pub fn of<'a>(&'a self, state: &'a dyn StateRead, first: &A) -> impl Iterator<Item = B> + 'a {
        let prefix = self.prefix(first);
        let mut cursor = prefix.clone();
        std::iter::from_fn(move || {
            cursor = state.next_key(&prefix, &cursor)?;
            Some(self.item.decode(&cursor[prefix.len()..]))
        })
    }

    /// All pairs, in the order of raw keys: for checks and queries.
    pub fn iter<'a>(&'a self, state: &'a dyn StateRead) -> impl Iterator<Item = (A, B)> + 'a {
        let mut cursor = self.item.prefix.to_vec();
        std::iter::from_fn(move || {
            cursor = state.next_key(&self.item.prefix, &cursor)?;
            Some(self.item.decode(&cursor[PREFIX_LEN + Twox64Concat::HASH_LEN..]))
        })
    }
}

/// A moment whose bytes sort as time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, MaxEncodedLen)]
pub struct BigEndianMoment(pub Moment);

impl Encode for BigEndianMoment {
    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        dest.write(&self.0.to_be_bytes());
    }
}

impl Decode for BigEndianMoment {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        <[u8; 8]>::decode(input).map(|bytes| Self(Moment::from_be_bytes(bytes)))
    }
}

/// Clients see the eight bytes.
impl TypeInfo for BigEndianMoment {
    type Identity = [u8; 8];

    fn type_info() -> Type {
        <[u8; 8]>::type_info()
    }
}

/// Ids by the moment at which they are due: raw keys sort by time, so what is due comes first and
/// no cursor is needed.
pub struct Schedule<T> {
    item: Item,
    _type: PhantomData<fn() -> T>,
}

impl<T: Codec + StaticTypeInfo> Schedule<T> {
    /// The schedule `name` of `pallet`.
    pub const fn new(pallet: &'static str, name: &'static str, doc: &'static str) -> Self {
        Self { item: Item::new(pallet, name, doc), _type: PhantomData }
    }

    fn key(&self, when_ms: Moment, id: &T) -> RawKey {
        let mut raw = self.item.prefix.to_vec();
        (BigEndianMoment(when_ms), id).encode_to(&mut raw);
        raw
    }

    /// Puts `id` down for `when_ms`.
    pub fn insert(&self, cx: &mut Ctx, when_ms: Moment, id: &T) {
        cx.put(self.key(when_ms, id), Some(Vec::new()));
    }

    /// Takes `id` off; the caller knows its moment.
    pub fn remove(&self, cx: &mut Ctx, when_ms: Moment, id: &T) {
        cx.put(self.key(when_ms, id), None);
    }

    /// Whether `id` is down for `when_ms`.
    pub fn contains(&self, state: &dyn StateRead, when_ms: Moment, id: &T) -> bool {
        state.get(&self.key(when_ms, id)).is_some()
    }

    /// All entries, earliest first; take what you need, each costs a read.
    pub fn iter<'a>(&'a self, state: &'a dyn StateRead) -> impl Iterator<Item = (Moment, T)> + 'a {
        let mut cursor = self.item.prefix.to_vec();
        std::iter::from_fn(move || {
            cursor = state.next_key(&self.item.prefix, &cursor)?;
            let (when, id) = self.item.decode::<(BigEndianMoment, T)>(&cursor[PREFIX_LEN..]);
            Some((when.0, id))
        })
    }

    /// The first entry after `after`, or the first of all: a hook's cursor, so that it passes over what
    /// it has taken off only once.
    pub fn next_after(
        &self,
        state: &dyn StateRead,
        after: Option<&(Moment, T)>,
    ) -> Option<(Moment, T)> {
        let cursor =
            after.map_or_else(|| self.item.prefix.to_vec(), |(when_ms, id)| self.key(*when_ms, id));
        let raw = state.next_key(&self.item.prefix, &cursor)?;
        let (when, id) = self.item.decode::<(BigEndianMoment, T)>(&raw[PREFIX_LEN..]);
        Some((when.0, id))
    }

    /// At most `limit` of the entries that are due, earliest first: those with `when <= now_ms`.
    pub fn due(&self, state: &dyn StateRead, now_ms: Moment, limit: usize) -> Vec<(Moment, T)> {
        self.iter(state).take(limit).take_while(|(when, _)| *when <= now_ms).collect()
    }

    /// The earliest moment that anything is down for.
    pub fn next(&self, state: &dyn StateRead) -> Option<Moment> {
        self.iter(state).next().map(|(when, _)| when)
    }
}

/// Description of a storage item, for metadata.
pub struct ItemMeta {
    /// Where and what it is.
    pub item: Item,
    /// Hashers of the key's parts; none for a single value.
    pub hashers: Vec<StorageHasher>,
    /// The key's type, a tuple where there are several hashers.
    pub key: Option<MetaType>,
    /// The value's type.
    pub value: MetaType,
    /// Bytes that clients read where nothing is stored.
    pub default: Option<Vec<u8>>,
}

/// A storage item, told apart from its types.
pub trait StorageItem: Sync {
    /// The item's description.
    fn meta(&self) -> ItemMeta;
}

impl<T: StaticTypeInfo> StorageItem for Value<T> {
    fn meta(&self) -> ItemMeta {
        ItemMeta {
            item: self.item,
            hashers: Vec::new(),
            key: None,
            value: meta_type::<T>(),
            default: self.default.map(|encode| encode()),
        }
    }
}

impl<K: StaticTypeInfo, V: StaticTypeInfo, H: KeyHasher> StorageItem for Map<K, V, H> {
    fn meta(&self) -> ItemMeta {
        ItemMeta {
            item: self.item,
            hashers: vec![H::HASHER],
            key: Some(meta_type::<K>()),
            value: meta_type::<V>(),
            default: self.default.map(|encode| encode()),
        }
    }
}

impl<A: StaticTypeInfo, B: StaticTypeInfo> StorageItem for PairSet<A, B> {
    fn meta(&self) -> ItemMeta {
        ItemMeta {
            item: self.item,
            hashers: vec![Twox64Concat::HASHER, Identity::HASHER],
            key: Some(meta_type::<(A, B)>()),
            value: meta_type::<()>(),
            default: None,
        }
    }
}

impl<T: StaticTypeInfo> StorageItem for Schedule<T> {
    fn meta(&self) -> ItemMeta {
        ItemMeta {
            item: self.item,
            hashers: vec![Identity::HASHER, Identity::HASHER],
            key: Some(meta_type::<(BigEndianMoment, T)>()),
            value: meta_type::<()>(),
            default: None,
        }
    }
}
