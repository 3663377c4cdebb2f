//! The comb of G: 32 positions of 128 odd multiples, 256 KiB, built at first use.
//!
//! Row j of position i is (2j + 1) * 2^(8i) * G. All 32 positions are built side by side, four
//! groups of eight lanes: each next row is the one before plus 2 * 2^(8i) * G.

use std::sync::OnceLock;

use secp256k1::{PublicKey, Secp256k1, SecretKey};

use crate::inversions::Inversions;
use crate::lanes::{Lanes, Portable};
use crate::points::{Point, Row};
use crate::scalar::START;

pub const POSITIONS: usize = 32;
pub const ROWS: usize = 128;

pub struct Comb {
    pub rows: Vec<[Row; ROWS]>,
    /// START * G.
    pub start: Row,
}

pub fn comb() -> &'static Comb {
    static COMB: OnceLock<Comb> = OnceLock::new();
    COMB.get_or_init(build)
}

/// A multiple of G, by libsecp256k1.
pub fn multiple_of_g(scalar: &[u8; 32]) -> Row {
    let key = SecretKey::from_byte_array(*scalar).expect("a scalar in [1, n)");
    let bytes =
        PublicKey::from_secret_key(&Secp256k1::signing_only(), &key).serialize_uncompressed();
    std::array::from_fn(|i| {
        let at = 1 + 32 * (i / 4) + 8 * (3 - i % 4);
        u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    })
}

fn build() -> Comb {
    let base: Vec<Row> = (0..POSITIONS)
        .map(|i| {
            let mut scalar = [0; 32];
            scalar[31 - i] = 1;
            multiple_of_g(&scalar)
        })
        .collect();
    let mut rows = vec![[[0; 8]; ROWS]; POSITIONS];
    let first: Vec<Point<Portable>> = base
        .chunks_exact(8)
        .map(|eight| Point::load(std::array::from_fn(|lane| &eight[lane])))
        .collect();
    let twice = sums(&first, &first, true);
    let mut current = first;
    for j in 0..ROWS {
        for (group, point) in current.iter().enumerate() {
            let words = [point.x.canonical(), point.y.canonical()];
            for lane in 0..8 {
                rows[8 * group + lane][j] =
                    std::array::from_fn(|k| words[k / 4][k % 4].store()[lane]);
            }
        }
        current = sums(&current, &twice, false);
    }
    Comb { rows, start: multiple_of_g(&START) }
}

fn sums(a: &[Point<Portable>], b: &[Point<Portable>], double: bool) -> Vec<Point<Portable>> {
    let mut inversions = Inversions::new();
    for (a, b) in a.iter().zip(b) {
        inversions.push([a.denominator(b, double)]);
    }
    inversions.invert(|_, _| unreachable!("no two of these multiples are equal or opposite"));
    let pairs = a.iter().zip(b).rev();
    let mut out: Vec<_> =
        pairs.flat_map(|(a, b)| Point::sums(&[*a], &[*b], [double], &inversions.pop())).collect();
    out.reverse();
    out
}
