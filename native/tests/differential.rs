//! Every implementation against libsecp256k1, on good, damaged and constructed signatures.
//!
//! PAYLOADS_SIMD_COUNT says how many signatures the vector instructions take, and PAYLOADS_SIMD_SEED
//! which; the portable lanes take a tenth. What ran is printed; without the instructions, the
//! portable lanes take all.

mod damage;

use damage::{Columns, Maker, Random};
use payloads_simd::dispatch::{
    Flagged, Implementation, answers, has_vectors, recover, recover_one,
};
use payloads_simd::engine::Answer;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn answers_are_those_of_libsecp256k1() {
    let maker = Maker::new();
    let (count, seed) = (number("PAYLOADS_SIMD_COUNT", 20_000), number("PAYLOADS_SIMD_SEED", 1));
    let (fast, portable) = if has_vectors() { (count, count / 10) } else { (0, count) };
    let (slow, seed) = (&mut Random(seed as u64), !(seed as u64));
    let (compared, found) = maker.compare(slow, portable, Implementation::Portable);
    println!("portable: {compared} compared, {found} with an address");
    assert!(found > compared / 4 && found < compared);
    if fast == 0 {
        println!("vector instructions: NOT RUN, this machine has none");
        return;
    }
    let (compared, found) = maker.compare(&mut Random(seed), fast, Implementation::Vector);
    println!("vector instructions: {compared} compared, {found} with an address");
    assert!(found > compared / 4 && found < compared);
}

#[test]
fn every_size_of_a_batch() {
    let (maker, mut random) = (Maker::new(), Random(3));
    for size in (0..140).chain([255, 256, 257, 1023, 1024]) {
        let mut columns = Columns::default();
        for _ in 0..size {
            let (digest, r, s, v) = maker.make(&mut random);
            columns.push(digest, r, s, v);
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

/// A flagged signature is left where it may be, and every other answer is final.
#[test]
fn flagged_signatures_are_left_if_wished() {
    let (maker, mut random) = (Maker::new(), Random(4));
    let mut columns = Columns::default();
    for _ in 0..4096 {
        let (digest, r, s, v) = maker.make(&mut random);
        columns.push(digest, r, s, v);
    }
    let all = columns.signatures();
    let wanted = recover(all, Implementation::Libsecp256k1, 1);
    let mut implementations = vec![Implementation::Portable];
    if has_vectors() {
        implementations.push(Implementation::Vector);
    }
    for implementation in implementations {
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
