//! Every implementation against libsecp256k1, on good, damaged and constructed signatures.
//!
//! PAYLOADS_SIMD_COUNT says how many signatures the vector instructions take, and PAYLOADS_SIMD_SEED
//! which; the portable lanes take a tenth. What ran is printed; without the instructions, the
//! portable lanes take all.

mod damage;

use std::sync::Mutex;

use damage::{Columns, Maker, Tally, compare};
use payloads_simd::dispatch::{Flagged, Implementation, has_vectors, recover_one};
use payloads_simd::engine::Answer;
use payloads_simd::workers::{answers, recover};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// A seed's signatures: a share of a thread's work that is not too long.
const EACH: u64 = 5_000;

fn compared(count: u64, seed: u64, implementation: Implementation) -> Tally {
    let total = Mutex::new(Tally::default());
    let seeds = seed << 32..(seed << 32) + count.div_ceil(EACH);
    compare(seeds, EACH.min(count), implementation, |_, tally| *total.lock().unwrap() += tally);
    let total = total.into_inner().unwrap();
    println!("{implementation:?}: {total:?}");
    let Tally { compared, addresses, flagged } = total;
    assert!(compared >= count && addresses > compared / 2 && flagged < compared / 4);
    total
}

#[test]
fn answers_are_those_of_libsecp256k1() {
    let (count, seed) = (number("PAYLOADS_SIMD_COUNT", 20_000), number("PAYLOADS_SIMD_SEED", 1));
    if has_vectors() {
        compared(count.div_ceil(10), !seed >> 32, Implementation::Portable);
        compared(count, seed, Implementation::Vector);
    } else {
        compared(count, seed, Implementation::Portable);
        println!("Vector: NOT RUN, this machine lacks the instructions");
    }
}

#[test]
fn every_size_of_a_batch() {
    let mut maker = Maker::new(3);
    for size in (0..140).chain([255, 256, 257, 1023, 1024]) {
        let mut columns = Columns::default();
        for _ in 0..size {
            columns.push(maker.make());
        }
        let all = columns.signatures();
        let wanted: Vec<_> =
            (0..size).map(|i| recover_one(all.slice(i, i + 1)).address()).collect();
        if has_vectors() {
            for threads in [0, 1, 2, 5] {
                assert_eq!(recover(all, Implementation::Vector, threads), wanted);
            }
        }
        assert_eq!(recover(all, Implementation::Portable, 2), wanted);
        assert_eq!(recover(all, Implementation::Libsecp256k1, 2), wanted);
    }
}

/// No formula gives an address by chance where it does not hold.
#[test]
fn every_constructed_collision_is_flagged() {
    let mut maker = Maker::new(5);
    let mut columns = Columns::default();
    for _ in 0..512 {
        columns.push(maker.collision());
    }
    for implementation in implementations() {
        let left = answers(columns.signatures(), implementation, 1, Flagged::Left);
        assert!(left.iter().all(|answer| *answer == Answer::Flagged));
    }
}

fn implementations() -> Vec<Implementation> {
    let vector = has_vectors().then_some(Implementation::Vector);
    vector.into_iter().chain([Implementation::Portable]).collect()
}

/// A flagged signature is left where it may be, and every other answer is final.
#[test]
fn flagged_signatures_are_left_if_wished() {
    let mut maker = Maker::new(4);
    let mut columns = Columns::default();
    for _ in 0..4096 {
        columns.push(maker.make());
    }
    let all = columns.signatures();
    let wanted = recover(all, Implementation::Libsecp256k1, 1);
    for implementation in implementations() {
        let left = answers(all, implementation, 2, Flagged::Left);
        let flagged = left.iter().filter(|answer| **answer == Answer::Flagged).count();
        assert!(flagged > 0 && flagged < 1024, "{flagged}");
        for (answer, wanted) in left.iter().zip(&wanted) {
            assert!(*answer == Answer::Flagged || answer.address() == *wanted);
        }
        let final_ = answers(all, implementation, 2, Flagged::Recovered);
        assert!(!final_.contains(&Answer::Flagged));
    }
}
