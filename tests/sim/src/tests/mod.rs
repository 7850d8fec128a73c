//! Scripts, each one sentence of what a network must bear, and a few drawn runs.

mod ablations;
mod drawn;
mod scripts;
