//! `cargo run --release --example differential -- COUNT FILE`: the long comparison with libsecp256k1.
//!
//! Each line of FILE is a seed that is through: the seed, how many answers were compared, how many of
//! them were addresses, how many signatures were flagged, and the seconds since the start. A run that
//! was stopped goes on after the last seed of FILE. Any difference ends it.

#[path = "../tests/damage/mod.rs"]
mod damage;

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use damage::{Tally, compare};
use payloads_simd::dispatch::{Implementation, has_vectors};

const EACH: u64 = 100_000;

/// The seeds of a file, and what was compared.
fn read(text: &str) -> (Vec<u64>, Tally) {
    let (mut seeds, mut tally) = (vec![], Tally::default());
    for line in text.lines() {
        let numbers: Vec<u64> =
            line.split_whitespace().map_while(|number| number.parse().ok()).collect();
        if let [seed, compared, addresses, flagged, _] = numbers[..] {
            seeds.push(seed);
            tally += Tally { compared, addresses, flagged };
        }
    }
    (seeds, tally)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(count), Some(path)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: differential COUNT FILE");
        std::process::exit(2);
    };
    let count: u64 = count.parse().expect("COUNT: a number");
    let implementation =
        if has_vectors() { Implementation::Vector } else { Implementation::Portable };
    let before = read(&std::fs::read_to_string(&path).unwrap_or_default());
    let file = OpenOptions::new().create(true).append(true).open(&path).expect("FILE");
    let (file, begun) = (Mutex::new((file, before.1)), Instant::now());
    // Seeds left out by a run that was stopped are not needed: the next ones do as well.
    let first = before.0.iter().max().map_or(0, |last| last + 1);
    let left = count.saturating_sub(before.1.compared).div_ceil(EACH);
    compare(first..first + left, EACH, implementation, |seed, tally| {
        let (file, total) = &mut *file.lock().expect("no thread panicked");
        *total += tally;
        let Tally { compared, addresses, flagged } = tally;
        let seconds = begun.elapsed().as_secs();
        writeln!(file, "{seed} {compared} {addresses} {flagged} {seconds}").expect("FILE");
    });
    let (_, total) = file.into_inner().expect("no thread panicked");
    println!("{implementation:?}: {total:?}, 0 differences, {} s", begun.elapsed().as_secs());
}
