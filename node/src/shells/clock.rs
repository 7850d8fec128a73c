//! The clock that blocks are stamped by.

use primitives::Moment;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's clock, and by how much it is put right or, in tests, wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Added to what the machine says, in milliseconds.
    pub offset_ms: i64,
}

impl Clock {
    /// Milliseconds since 1970.
    pub fn now_ms(self) -> Moment {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Moment::try_from(elapsed.as_millis()).unwrap_or(Moment::MAX);
        now.saturating_add_signed(self.offset_ms)
    }
}
