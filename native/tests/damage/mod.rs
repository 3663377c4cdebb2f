//! Good, damaged and constructed signatures, from a seed, and their comparison with libsecp256k1.
//!
//! A signature here is seldom made by a signer, since signing costs as much as recovering. Any digest
//! and any s, with the x of any point as r, are a signature of some key. So R walks from a random
//! point in steps of G.
//!
//! Each user of this file uses another part of it.

#![allow(dead_code)]

use std::collections::HashMap;
use std::ops::{AddAssign, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{available_parallelism, scope};

use num_bigint::BigUint;
use payloads_simd::dispatch::{Flagged, Implementation, recover_one};
use payloads_simd::engine::Answer;
pub use payloads_simd::workers::Columns;
use payloads_simd::workers::answers;
use secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};

type Word = [u8; 32];
/// Digest, r, s and v.
pub type Made = (Word, Word, Word, u8);

/// splitmix64: any seed gives another sequence.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let a = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let b = (a ^ a >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        b ^ b >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn word(&mut self) -> Word {
        let mut word = [0; 32];
        for piece in word.chunks_mut(8) {
            piece.copy_from_slice(&self.next().to_be_bytes());
        }
        word
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

pub fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).expect("hex")
}

pub fn word(number: &BigUint) -> Word {
    let bytes = number.to_bytes_be();
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(&bytes);
    word
}

pub fn p() -> BigUint {
    number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f")
}

pub fn n() -> BigUint {
    number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
}

pub fn lambda() -> BigUint {
    number("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72")
}

/// How many answers were compared, and what they were.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub compared: u64,
    pub addresses: u64,
    /// Left to libsecp256k1, whose answer is then the only one.
    pub flagged: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.compared += more.compared;
        self.addresses += more.addresses;
        self.flagged += more.flagged;
    }
}

pub struct Maker {
    pub random: Random,
    context: Secp256k1<All>,
    edges: Vec<Word>,
    n: BigUint,
    lambda: BigUint,
    /// START * 2^126: the loop over R holds it from the beginning.
    offset: BigUint,
    /// What the comb must give so that its last two points are opposite, or equal.
    collisions: [BigUint; 3],
    /// R = nonce * G.
    nonce: BigUint,
    point: PublicKey,
    g: PublicKey,
    /// Multiples of G that were needed before.
    multiples: HashMap<Word, (BigUint, u8)>,
}

/// The comb's last addition is of the points at even positions and those at odd positions. Their
/// difference is n if the digits of n get other signs at odd positions.
fn equal_halves(n: &BigUint) -> BigUint {
    let one = BigUint::from(1u8);
    let bits: BigUint = (n + (&one << 256) - &one) / 2u8;
    let bytes = bits.to_bytes_le();
    let (mut plus, mut minus) = (BigUint::ZERO, BigUint::ZERO);
    for (i, byte) in bytes.iter().enumerate() {
        let digit = 2 * i32::from(*byte) - 255;
        let at_odd = i % 2 == 1;
        let sum = if (digit < 0) == at_odd { &mut plus } else { &mut minus };
        *sum += BigUint::from(digit.unsigned_abs()) << (8 * i);
    }
    (plus + n - minus % n) % n
}

impl Maker {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (p, n, one) = (p(), n(), BigUint::from(1u8));
        let mut edges: Vec<BigUint> = (0u8..4).map(BigUint::from).collect();
        for k in 0u8..5 {
            edges.push(&n + BigUint::from(k) - BigUint::from(2u8));
            edges.push(&p + BigUint::from(k) - BigUint::from(2u8));
            edges.push(&p - &n + BigUint::from(k) - BigUint::from(2u8));
            edges.push(&n / 2u8 + BigUint::from(k) - BigUint::from(2u8));
        }
        edges.push((&one << 256) - &one);
        let start = BigUint::from_bytes_be(&payloads_simd::scalar::START);
        let offset = (start << 126) % &n;
        let edges = edges.iter().map(word).collect();
        let context = Secp256k1::new();
        let multiple = |k: &BigUint| {
            let key = SecretKey::from_byte_array(word(k)).expect("a scalar in [1, n)");
            PublicKey::from_secret_key(&context, &key)
        };
        // Far enough below n that no walk ends there.
        let nonce = BigUint::from_bytes_be(&random.word()) >> 1;
        let (point, g, equal) = (multiple(&nonce), multiple(&one), equal_halves(&n));
        let collisions = [BigUint::ZERO, &n - &equal, equal];
        let (lambda, multiples) = (lambda(), HashMap::new());
        Self { random, context, edges, n, lambda, offset, collisions, nonce, point, g, multiples }
    }

    fn walk(&mut self) -> (BigUint, u8) {
        self.nonce += 1u8;
        self.point = self.point.combine(&self.g).expect("not infinity");
        coordinates(&self.point)
    }

    /// Of a random key and a random nonce.
    fn good(&mut self) -> Made {
        let (x, odd) = self.walk();
        (self.random.word(), word(&x), self.random.word(), odd)
    }

    fn signed(&mut self) -> Made {
        let key = loop {
            if let Ok(key) = SecretKey::from_byte_array(self.random.word()) {
                break key;
            }
        };
        let digest = self.random.word();
        let (id, compact) = self
            .context
            .sign_ecdsa_recoverable(Message::from_digest(digest), &key)
            .serialize_compact();
        let (r, s) = (compact[..32].try_into().unwrap(), compact[32..].try_into().unwrap());
        (digest, r, s, i32::from(id) as u8)
    }

    /// k, and the point k * G.
    fn nonce_and_point(&mut self) -> (BigUint, (BigUint, u8)) {
        let Some(mut k) = self.special_scalar() else {
            let point = self.walk();
            return (self.nonce.clone(), point);
        };
        if self.random.below(2) == 0 {
            k *= &self.lambda;
        }
        let k = k % &self.n;
        let context = &self.context;
        let point = self.multiples.entry(word(&k)).or_insert_with_key(|k| {
            let key = SecretKey::from_byte_array(*k).expect("a scalar in [1, n)");
            coordinates(&PublicKey::from_secret_key(context, &key))
        });
        (k, point.clone())
    }

    /// Signature with given u1, u2 and R: s = u2 r, z = -u1 r.
    fn with_factors(&self, u1: &BigUint, u2: &BigUint, (r, odd): (BigUint, u8)) -> Made {
        let s = u2 * &r % &self.n;
        let z = (&self.n - u1 % &self.n) * &r % &self.n;
        (word(&z), word(&r), word(&s), odd)
    }

    /// Small, near n, or with few bits or digits; in one of six, there is none.
    fn special_scalar(&mut self) -> Option<BigUint> {
        let random = &mut self.random;
        let small = |random: &mut Random| BigUint::from(1 + random.below(300));
        Some(match random.below(6) {
            0 => small(random),
            1 => &self.n - small(random),
            2 => BigUint::from(1u8) << random.below(256),
            3 => &self.n - ((BigUint::from(1u8) << random.below(256)) % &self.n),
            4 => small(random) << (3 * random.below(84)),
            _ => return None,
        })
    }

    fn scalar(&mut self) -> BigUint {
        self.special_scalar().unwrap_or_else(|| BigUint::from_bytes_be(&self.random.word()))
    }

    pub fn make(&mut self) -> Made {
        let (mut digest, mut r, mut s, mut v) = self.good();
        let random = &mut self.random;
        match random.below(16) {
            0 if random.below(4) == 0 => return self.signed(),
            0..3 => {}
            // A high s, with and without the other v.
            3 => {
                let low = BigUint::from_bytes_be(&s) >> 1;
                s = word(&(&self.n - low % &self.n));
                v ^= random.below(2) as u8;
            }
            4 => v = random.of(&[2, 3, 4, 27, 28, 255]),
            5 => r = random.of(&self.edges),
            6 => s = random.of(&self.edges),
            7 => digest = random.of(&self.edges),
            8 => {
                let edges = &self.edges;
                (digest, r, s) = (random.of(edges), random.of(edges), random.of(edges));
            }
            // Half of these are the x of no point.
            9 => r = random.word(),
            10 => {
                let bit = random.below(256);
                let which = random.below(3);
                [&mut digest, &mut r, &mut s][which][bit / 8] ^= 1 << (bit % 8);
            }
            // R a small multiple of G or of LAMBDA * G, and factors of special form.
            11..13 => {
                let (u1, u2) = (self.scalar(), self.scalar());
                let (_, point) = self.nonce_and_point();
                return self.with_factors(&u1, &u2, point);
            }
            13 | 14 => return self.exceptional(),
            // The comb's points cancel or coincide: u1 near the offset, with few other bits.
            _ => {
                let u1 = self.scalar() + &self.offset;
                let u2 = self.scalar();
                let (_, point) = self.nonce_and_point();
                return self.with_factors(&u1, &u2, point);
            }
        }
        (digest, r, s, v)
    }

    /// One after the other, as the fuzz target reads them.
    pub fn row(&mut self) -> Vec<u8> {
        let (digest, r, s, v) = self.make();
        [&digest[..], &r, &s, &[v]].concat()
    }

    fn exceptional(&mut self) -> Made {
        let u2 = self.scalar();
        let (k, point) = self.nonce_and_point();
        let u1 = match self.random.below(8) {
            // u1 G = u2 R or -u2 R.
            0..4 => self.or_opposite(k * &u2),
            // What the loop over R ends with equals what the comb ends with, or its opposite.
            4..7 => self.or_opposite(k * &u2 + &self.offset) + &self.offset,
            _ => &self.collisions[self.random.below(3)] + &self.offset,
        };
        self.with_factors(&u1, &u2, point)
    }

    fn or_opposite(&mut self, scalar: BigUint) -> BigUint {
        let scalar = scalar % &self.n;
        if self.random.below(2) == 0 { scalar } else { &self.n - scalar }
    }

    /// A signature that the fast formulas do not hold for, whatever the implementation.
    pub fn collision(&mut self) -> Made {
        let u2 = self.scalar();
        let (k, point) = self.nonce_and_point();
        let u1 = match self.random.below(2) {
            0 => self.or_opposite(k * &u2 + &self.offset) + &self.offset,
            _ => &self.collisions[self.random.below(3)] + &self.offset,
        };
        self.with_factors(&u1, &u2, point)
    }

    /// At least `count` answers of an implementation, in batches of all sizes, each of which must be
    /// that of libsecp256k1.
    fn compare(&mut self, count: u64, implementation: Implementation) -> Tally {
        let mut tally = Tally::default();
        while tally.compared < count {
            let size = match self.random.below(4) {
                0 => 1 + self.random.below(17),
                1 => 1 + self.random.below(130),
                _ => 1 + self.random.below(1024),
            };
            let mut columns = Columns::default();
            let same = (self.random.below(20) == 0).then(|| self.make());
            for _ in 0..size {
                columns.push(same.unwrap_or_else(|| self.make()));
            }
            let signatures = columns.signatures();
            let found = answers(signatures, implementation, 1, Flagged::Left);
            for (i, answer) in found.into_iter().enumerate() {
                tally.compared += 1;
                if answer == Answer::Flagged {
                    tally.flagged += 1;
                    continue;
                }
                let one = signatures.slice(i, i + 1);
                assert_eq!(
                    answer,
                    recover_one(one),
                    "{implementation:?}, {i} of {size}: {:x?} {:x?} {:x?} {}",
                    one.digests,
                    one.rs,
                    one.ss,
                    one.vs[0]
                );
                tally.addresses += u64::from(answer != Answer::Nothing);
            }
        }
        tally
    }
}

fn coordinates(point: &PublicKey) -> (BigUint, u8) {
    let bytes = point.serialize_uncompressed();
    (BigUint::from_bytes_be(&bytes[1..33]), bytes[64] & 1)
}

/// `each` comparisons for every seed, on all cores. `done` hears of each seed when it is through.
pub fn compare(
    seeds: Range<u64>,
    each: u64,
    implementation: Implementation,
    done: impl Fn(u64, Tally) + Sync,
) {
    let next = AtomicU64::new(seeds.start);
    scope(|threads| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    done(seed, Maker::new(seed).compare(each, implementation));
                }
            });
        }
    });
}
