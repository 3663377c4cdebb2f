//! Good, damaged and constructed signatures, from a seed.
//!
//! Each test uses another part of it.

#![allow(dead_code)]

use num_bigint::BigUint;
use payloads_simd::dispatch::{Implementation, recover, recover_one};
use payloads_simd::engine::Signatures;
use secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};

type Word = [u8; 32];

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

#[derive(Default)]
pub struct Columns {
    pub digests: Vec<u8>,
    pub rs: Vec<u8>,
    pub ss: Vec<u8>,
    pub vs: Vec<u8>,
}

impl Columns {
    pub fn push(&mut self, digest: Word, r: Word, s: Word, v: u8) {
        self.digests.extend(digest);
        self.rs.extend(r);
        self.ss.extend(s);
        self.vs.push(v);
    }

    pub fn signatures(&self) -> Signatures<'_> {
        Signatures { digests: &self.digests, rs: &self.rs, ss: &self.ss, vs: &self.vs }
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

const LAMBDA: &str = "5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72";

pub struct Maker {
    context: Secp256k1<All>,
    edges: Vec<Word>,
    n: BigUint,
    /// START * 2^126: the loop over R holds it from the beginning.
    offset: BigUint,
}

impl Maker {
    pub fn new() -> Self {
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
        Self { context: Secp256k1::new(), edges, n, offset }
    }

    /// A signature from a nonce that is not random, so that r may be one of few.
    fn signed(&self, random: &mut Random) -> (Word, Word, Word, u8) {
        let key = loop {
            if let Ok(key) = SecretKey::from_byte_array(random.word()) {
                break key;
            }
        };
        let digest = random.word();
        let (id, compact) = self
            .context
            .sign_ecdsa_recoverable(Message::from_digest(digest), &key)
            .serialize_compact();
        let (r, s) = (compact[..32].try_into().unwrap(), compact[32..].try_into().unwrap());
        (digest, r, s, i32::from(id) as u8)
    }

    /// Signature with given u1, u2 and R = k * G: s = u2 r, z = -u1 r.
    fn with_factors(
        &self,
        u1: &BigUint,
        u2: &BigUint,
        k: &BigUint,
    ) -> Option<(Word, Word, Word, u8)> {
        let key = SecretKey::from_byte_array(word(&(k % &self.n))).ok()?;
        let point = PublicKey::from_secret_key(&self.context, &key).serialize_uncompressed();
        let r = BigUint::from_bytes_be(&point[1..33]);
        let (u1, u2) = (u1 % &self.n, u2 % &self.n);
        let s = u2 * &r % &self.n;
        let z = (&self.n - u1) * &r % &self.n;
        Some((word(&z), word(&r), word(&s), point[64] & 1))
    }

    fn scalar(&self, random: &mut Random) -> BigUint {
        let small = |random: &mut Random| BigUint::from(1 + random.below(300));
        match random.below(6) {
            0 => small(random),
            1 => &self.n - small(random),
            2 => BigUint::from(1u8) << random.below(256),
            3 => &self.n - ((BigUint::from(1u8) << random.below(256)) % &self.n),
            4 => small(random) << (3 * random.below(84)),
            _ => BigUint::from_bytes_be(&random.word()),
        }
    }

    pub fn make(&self, random: &mut Random) -> (Word, Word, Word, u8) {
        let (mut digest, mut r, mut s, mut v) = self.signed(random);
        match random.below(16) {
            0..3 => {}
            3 => {
                s = word(&(&self.n - BigUint::from_bytes_be(&s)));
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
            9 => r = random.word(),
            10 => {
                let bit = random.below(256);
                let which = random.below(3);
                [&mut digest, &mut r, &mut s][which][bit / 8] ^= 1 << (bit % 8);
            }
            // R a small multiple of G or of LAMBDA * G, and factors of special form.
            11..13 => {
                let mut k = self.scalar(random);
                if random.below(2) == 0 {
                    k = k * number(LAMBDA) % &self.n;
                }
                let (u1, u2) = (self.scalar(random), self.scalar(random));
                if let Some(made) = self.with_factors(&u1, &u2, &k) {
                    return made;
                }
            }
            // u1 G = u2 R or -u2 R.
            13 => {
                let (k, u2) = (self.scalar(random), self.scalar(random));
                let mut u1 = (&k * &u2) % &self.n;
                if random.below(2) == 0 {
                    u1 = &self.n - u1;
                }
                if let Some(made) = self.with_factors(&u1, &u2, &k) {
                    return made;
                }
            }
            // What the loop over R ends with equals what the comb ends with, or its opposite.
            14 => {
                let (k, u2) = (self.scalar(random), self.scalar(random));
                let walked = (&k * &u2 + &self.offset) % &self.n;
                let comb = if random.below(2) == 0 { walked } else { &self.n - walked };
                if let Some(made) = self.with_factors(&(comb + &self.offset), &u2, &k) {
                    return made;
                }
            }
            // The comb's points cancel or coincide: u1 near the offset, with few other bits.
            _ => {
                let u1 = &self.offset + self.scalar(random);
                let (u2, k) = (self.scalar(random), self.scalar(random));
                if let Some(made) = self.with_factors(&u1, &u2, &k) {
                    return made;
                }
            }
        }
        (digest, r, s, v)
    }

    /// At least `count` signatures in batches of all sizes; how many answers were compared, and in
    /// how many there was an address.
    pub fn compare(
        &self,
        random: &mut Random,
        count: usize,
        implementation: Implementation,
    ) -> (usize, usize) {
        let (mut compared, mut found) = (0, 0);
        while compared < count {
            let size = match random.below(4) {
                0 => 1 + random.below(17),
                1 => 1 + random.below(130),
                _ => 1 + random.below(1024),
            };
            let mut columns = Columns::default();
            let same = (random.below(20) == 0).then(|| self.make(random));
            for _ in 0..size {
                let (digest, r, s, v) = same.unwrap_or_else(|| self.make(random));
                columns.push(digest, r, s, v);
            }
            let signatures = columns.signatures();
            let answers = recover(signatures, implementation, 1 + random.below(2));
            for (i, answer) in answers.iter().enumerate() {
                let one = signatures.slice(i, i + 1);
                assert_eq!(
                    *answer,
                    recover_one(one).address(),
                    "{implementation:?}, {i} of {size}: {:x?} {:x?} {:x?} {}",
                    one.digests,
                    one.rs,
                    one.ss,
                    one.vs[0]
                );
                found += usize::from(answer.is_some());
            }
            compared += size;
        }
        (compared, found)
    }
}
