//! Strangers' texts in messages.

/// As much of a text as a message repeats: at most `chars_max` characters, and a replacement for each
/// that would upset a terminal or a log.
pub fn shown(text: &str, chars_max: usize) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(chars_max).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_shown_is_short_and_plain() {
        assert_eq!(shown("plain, é", 8), "plain, é");
        assert_eq!(shown("plain, é", 7), "plain, ");
        assert_eq!(shown("\u{1b}[2J\n\u{7f}", 10), "\u{fffd}[2J\u{fffd}\u{fffd}");
    }
}
