//! Everything that must hold of the state after every block.

use crate::{check_pallets, genesis::CODE_KEY, storage};
use framework::Item;
use primitives::StateRead;

/// Checks every pallet's invariant, that total issuance is what all accounts have, and that each key belongs
/// to a storage item.
///
/// It reads the whole state: for tests, simulations and operators, not for hot paths.
///
/// # Errors
///
/// The first thing that does not hold.
pub fn check(state: &dyn StateRead) -> Result<(), String> {
    check_pallets(state)?;
    let items: Vec<Item> = storage().map(|item| item.meta().item).collect();
    let mut cursor = Vec::new();
    while let Some(key) = state.next_key(&[], &cursor) {
        let known = key == CODE_KEY || items.iter().any(|item| item.owns(&key));
        if !known {
            return Err(format!("the key {key:02x?} belongs to no storage item"));
        }
        cursor = key;
    }
    if state.get(CODE_KEY).is_none() {
        return Err("the marker of the rules, :code, is missing".to_owned());
    }
    Ok(())
}
