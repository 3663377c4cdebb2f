//! `cargo run --release --example damaged -- SEED COUNT`: signatures to standard output, each in 97
//! bytes: digest, r, s and v. Another program can compare them, or a fuzzer start from them.

#[path = "../tests/damage/mod.rs"]
mod damage;

use std::io::{BufWriter, Write, stdout};

use damage::Maker;

fn main() -> std::io::Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [seed, count] = numbers[..] else {
        eprintln!("usage: damaged SEED COUNT");
        std::process::exit(2);
    };
    let (mut maker, mut out) = (Maker::new(seed), BufWriter::new(stdout().lock()));
    for _ in 0..count {
        out.write_all(&maker.row())?;
    }
    out.flush()
}
