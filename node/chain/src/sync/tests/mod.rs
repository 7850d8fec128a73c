//! The machine against peers of all kinds, on chains of blocks that nobody executes.

mod faults;
mod follow;
mod random;
mod wires;
mod world;
