#![no_main]

#[path = "../../tests/edges/mod.rs"]
mod edges;
#[path = "../../tests/hostile/mod.rs"]
mod hostile;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hostile::recover(bytes));
