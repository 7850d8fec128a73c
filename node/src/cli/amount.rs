//! Amounts as people write them.

use anyhow::{Context, Result, ensure};
use primitives::Balance;

/// Decimals of the token: one token is 10^12 units.
pub const DECIMALS: usize = 12;
/// The token's symbol.
pub const SYMBOL: &str = "ARTL";

/// Reads "1.5" or "1.5 ARTL" as tokens.
pub fn parse(text: &str) -> Result<Balance> {
    let number = text.trim().trim_end_matches(SYMBOL).trim();
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    ensure!(
        !whole.is_empty() && digits(whole) && digits(part) && part.len() <= DECIMALS,
        "'{text}' is not an amount: write tokens such as 2 or 0.5, with at most {DECIMALS} decimals"
    );
    let units = format!("{whole}{part:0<DECIMALS$}");
    let units = units.parse::<u128>().with_context(|| format!("'{text}' is too large"))?;
    Ok(Balance::new(units))
}

/// Writes tokens without needless zeros: "1.5 ARTL".
pub fn format(amount: Balance) -> String {
    let unit = 10u128.pow(DECIMALS as u32);
    let (whole, part) = (amount.get() / unit, amount.get() % unit);
    let part = format!("{part:0DECIMALS$}");
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{whole}{point}{part} {SYMBOL}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_they_are_written() {
        for (text, units) in
            [("2", 2_000_000_000_000), ("0.5", 500_000_000_000), ("0.000000000001", 1)]
        {
            let amount = parse(text).expect("it is an amount");
            assert_eq!(amount.get(), units);
            assert_eq!(parse(&format(amount)).expect("it was just written"), amount);
        }
        for text in ["", ".5", "-1", "1e3", "0.0000000000001", "five"] {
            assert!(parse(text).is_err(), "'{text}' was taken for an amount");
        }
    }
}
