//! Tests of the whole runtime.

mod specs;
