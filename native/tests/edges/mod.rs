//! Every function of the field, on limbs at the edges of what its bounds allow.
//!
//! A mistake in a bound shows once in millions of random inputs, and at the edges at once.
//!
//! Each user of this file uses another part of it.

#![allow(dead_code, unused_macros)]

use num_bigint::{BigInt, BigUint};
use payloads_simd::field::{self, Factor, Field, Loose, P, Wide};
use payloads_simd::lanes::{LIMB, Lanes, Phase};
use payloads_simd::points::Jacobian;

pub type Limbs = [u64; 5];

/// Runs the check with both kinds of lanes, and says so where one cannot run.
pub fn both(name: &str, portable: impl Fn(), vector: impl Fn()) {
    portable();
    #[cfg(target_arch = "x86_64")]
    if payloads_simd::lanes::Avx512::available() {
        vector();
        return;
    }
    let _ = vector;
    println!("{name}: vector instructions NOT RUN, this machine has none");
}

/// A test that calls a check for the portable lanes, and for the vector ones.
macro_rules! with_both_lanes {
    ($name:ident, $check:ident) => {
        #[test]
        fn $name() {
            edges::both(
                stringify!($name),
                || $check::<payloads_simd::lanes::Portable>(),
                || {
                    #[cfg(target_arch = "x86_64")]
                    $check::<payloads_simd::lanes::Avx512>()
                },
            );
        }
    };
}

/// Limb 4 of a carried number at most, and of a factor.
const TOP: u64 = (1 << 48) + (1 << 9) - 1;
const LOOSE_TOP: u64 = (1 << 50) - 1;

pub fn value(limbs: &Limbs) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |sum, limb| (sum << 52) + *limb)
}

pub fn from_words(words: [u64; 4]) -> BigUint {
    words.iter().rev().fold(BigUint::ZERO, |sum, word| (sum << 64) + *word)
}

pub fn modulus() -> BigUint {
    value(&P)
}

/// Carried limbs: each the smallest, the largest, near them, a field constant's, or any.
pub fn carried_limbs(next: &mut impl FnMut() -> u64) -> Limbs {
    let mut limbs = [0; 5];
    let style = next() % 6;
    for (k, limb) in limbs.iter_mut().enumerate() {
        let most = if k == 4 { TOP } else { LIMB };
        *limb = match (style, next() % 8) {
            (0, _) => most,
            (1, _) => P[k],
            (2, 0) => P[k].saturating_sub(1),
            (2, _) => P[k],
            (_, 0) => 0,
            (_, 1) => most,
            (_, 2) => most - 1,
            (_, 3) => 1,
            (_, 4) => P[k],
            (_, 5) => 1 << (next() % 48),
            _ => next() % (most + 1),
        };
    }
    limbs
}

/// A factor whose bits from 52 up mean nothing, and whose limb 4 goes up to 2^50.
pub fn loose_limbs(next: &mut impl FnMut() -> u64) -> Limbs {
    let mut limbs = carried_limbs(next);
    for limb in &mut limbs[..4] {
        *limb |= match next() % 3 {
            0 => 0,
            1 => LIMB << 52,
            _ => next() << 52,
        };
    }
    limbs[4] = match next() % 4 {
        0 => limbs[4],
        1 => LOOSE_TOP,
        2 => LOOSE_TOP - 1,
        _ => 1 << 49,
    };
    limbs
}

pub fn cleared(mut limbs: Limbs) -> Limbs {
    for limb in &mut limbs[..4] {
        *limb &= LIMB;
    }
    limbs
}

pub fn lanes<L: Lanes>(numbers: &[Limbs; 8]) -> [L; 5] {
    std::array::from_fn(|k| L::load(&std::array::from_fn(|lane| numbers[lane][k])))
}

fn by_lane<L: Lanes>(limbs: &[L; 5]) -> [Limbs; 8] {
    let columns = limbs.map(L::store);
    std::array::from_fn(|lane| columns.map(|column| column[lane]))
}

/// The limbs of all lanes, which must be carried.
pub fn carried<L: Lanes>(field: &Field<L>) -> [Limbs; 8] {
    let out = by_lane(&field.0);
    for limbs in out {
        assert!(limbs[..4].iter().all(|limb| *limb <= LIMB), "{limbs:x?}");
        assert!(limbs[4] <= TOP, "{limbs:x?}");
    }
    out
}

/// The limbs of all lanes, which must be a factor's.
pub fn loose<L: Lanes>(factor: &Loose<L>) -> [Limbs; 8] {
    by_lane(&factor.0).map(|limbs| {
        assert!(limbs[4] <= LOOSE_TOP, "{limbs:x?}");
        cleared(limbs)
    })
}

/// Eight lanes of three carried numbers and two factors.
pub struct Inputs {
    numbers: [[Limbs; 8]; 3],
    factors: [[Limbs; 8]; 2],
}

impl Inputs {
    pub fn from(next: &mut impl FnMut() -> u64) -> Self {
        let mut numbers = [[[0; 5]; 8]; 3];
        numbers.as_flattened_mut().fill_with(|| carried_limbs(next));
        let mut factors = [[[0; 5]; 8]; 2];
        factors.as_flattened_mut().fill_with(|| loose_limbs(next));
        Self { numbers, factors }
    }
}

struct Work<L> {
    numbers: [Field<L>; 3],
    factors: [Loose<L>; 2],
    words: [L; 4],
    fields: Vec<Field<L>>,
    looses: Vec<Loose<L>>,
    opposite: [L; 5],
    canonical: [L; 4],
    below: [L; 4],
    zeros: u8,
}

struct Functions;

const CHOSEN: u8 = 0b1010_0110;

impl<L: Lanes> Phase<Work<L>> for Functions {
    #[inline(always)]
    fn run(work: &mut Work<L>) {
        let ([a, b, c], [e, f]) = (work.numbers, work.factors);
        let point = Jacobian { x: a.loose(), y: b.loose(), z: e };
        let other = Jacobian { x: e, y: f, z: a.loose() };
        let doubles = Jacobian::minus_doubles(&[point, other]);
        let ones = Jacobian::minus_sums::<1, 1>(&[point], &[c], &[f]);
        let sums = Jacobian::minus_sums::<2, 2>(&[point, other], &[c, b], &[f, c.loose()]);
        work.fields = vec![
            a.times(&b),
            a.square(),
            a.minus(&b),
            a.negated(),
            a.plus(&b),
            a.plus(&b).negated().times(&c),
            e.tight(),
            e.times(&f),
            e.square(),
            e.wide(&a).reduce::<2>(),
            e.wide_square().reduce::<3>(),
            e.wide(&f).reduce::<4>(),
            Wide::of(c.opposite()).twice_and_square(&e).reduce::<1>(),
            Wide::of(c.opposite()).twice_and_square(&e).plus_limbs(&a.0).reduce::<1>(),
            e.wide_square().plus_limbs(&a.opposite()).plus_limbs(&b.opposite()).reduce::<1>(),
            e.wide(&f).twice_and_square(&e).reduce::<1>(),
            Wide::of(a.0).plus(&c, &e).plus_folded(&e.wide(&f).fold::<1>()).reduce::<1>(),
            e.wide(&f).fold::<1>().tight(),
            a.wide(&e).plus(&f, &b).reduce::<1>(),
            Field::pick(CHOSEN, &a, &b),
            Field::from_words(work.words),
            Field::constant(P),
            Field::one(),
        ];
        work.looses = vec![
            e.times_loosely(&f),
            e.square_loosely(),
            e.wide(&f).loosely::<2>(),
            e.wide_square().loosely::<3>(),
            Wide::of(a.0).plus(&e, &f).loosely::<1>(),
            a.less(&b),
            a.negated_where(CHOSEN),
            a.loose(),
            e.swap::<1>(),
            e.swap::<2>(),
            e.swap::<4>(),
            e.wide(&f).fold::<1>().loose(),
            a.wide(&e).fold::<4>().plus(&e.wide(&f).fold::<1>().opposite()),
        ];
        let points = doubles.iter().chain(&ones).chain(&sums);
        work.looses.extend(points.flat_map(|point| [point.x, point.y, point.z]));
        work.opposite = a.opposite();
        work.canonical = a.canonical();
        work.below = a.below_2_256();
        work.zeros = a.zeros();
    }
}

/// Every function against big integers: its value modulo p, and the bounds of its limbs.
pub fn check<L: Lanes>(inputs: &Inputs) {
    let Inputs { numbers, factors } = inputs;
    let p = modulus();
    // Any 256 bits will do as words.
    let words: [[u64; 4]; 8] = std::array::from_fn(|lane| {
        let [a, b, c, d, _] = numbers[0][lane];
        [a ^ factors[0][lane][0], b << 12, c ^ d << 50, !d]
    });
    let zero = L::splat(0);
    let mut work = Work {
        numbers: std::array::from_fn(|i| Field(lanes::<L>(&numbers[i]))),
        factors: std::array::from_fn(|i| Loose(lanes::<L>(&factors[i]))),
        words: std::array::from_fn(|k| L::load(&words.map(|word| word[k]))),
        fields: vec![],
        looses: vec![],
        opposite: [zero; 5],
        canonical: [zero; 4],
        below: [zero; 4],
        zeros: 0,
    };
    L::run::<_, Functions>(&mut work);
    let mut out: Vec<_> = work.fields.iter().map(carried).collect();
    out.extend(work.looses.iter().map(loose));
    let (canonical, below) = (work.canonical.map(L::store), work.below.map(L::store));
    let signed = BigInt::from(p.clone());
    let half = (&signed + 1) / 2;
    for lane in 0..8 {
        let [a, b, c] = [0, 1, 2].map(|i| BigInt::from(value(&numbers[i][lane])));
        let factor =
            |i: usize, lane: usize| BigInt::from(value(&cleared(factors[i][lane]))) % &signed;
        let [e, f] = [factor(0, lane), factor(1, lane)];
        let chosen = CHOSEN >> lane & 1 == 1;
        // The textbook's formulas, of which those of `points.rs` give twice the Y of the opposite.
        let double = |x: &BigInt, two_y: &BigInt, z: &BigInt| {
            let y = two_y * &half;
            let (m, s) = (3 * x * x % &signed, 4 * x * &y * &y % &signed);
            let double = &m * &m - 2 * &s;
            let minus_y = &m * (&double - &s) + 8 * &y * &y * &y * &y;
            [double, 2 * minus_y, two_y * z]
        };
        // With (-minus_x, -minus_two_y / 2), Z = 2 Z H, and Y TIMES.
        let sum =
            |[x, two_y, z]: [&BigInt; 3], [minus_x, minus_two_y]: [&BigInt; 2], times: i32| {
                let (h, r) = (x + minus_x * z * z, (two_y + minus_two_y * z * z * z) * &half);
                let v = x * &h * &h % &signed;
                let sum = &r * &r + &h * &h * &h - 2 * &v;
                let minus_y = &r * (&sum - &v) + two_y * &half * &h * &h * &h;
                [4 * sum, times * 8 * minus_y, 2 * z * h]
            };
        let points = [
            double(&a, &b, &e),
            double(&e, &f, &a),
            sum([&a, &b, &e], [&c, &f], 1),
            sum([&a, &b, &e], [&c, &f], 2),
            sum([&e, &f, &a], [&b, &c], 2),
        ];
        let wanted = [
            &a * &b,
            &a * &a,
            &a - &b,
            -&a,
            &a + &b,
            -(&a + &b) * &c,
            e.clone(),
            &e * &f,
            &e * &e,
            2 * &e * &a,
            3 * &e * &e,
            4 * &e * &f,
            &e * &e - 2 * &c,
            &e * &e - 2 * &c + &a,
            &e * &e - &a - &b,
            2 * &e * &f + &e * &e,
            &a + &c * &e + &e * &f,
            &e * &f,
            &a * &e + &f * &b,
            if chosen { a.clone() } else { b.clone() },
            BigInt::from(from_words(words[lane])),
            BigInt::ZERO,
            BigInt::from(1),
            &e * &f,
            &e * &e,
            2 * &e * &f,
            3 * &e * &e,
            &e * &f + &a,
            &a - &b,
            if chosen { -&a } else { a.clone() },
            a.clone(),
            factor(0, lane ^ 1),
            factor(0, lane ^ 2),
            factor(0, lane ^ 4),
            &e * &f,
            4 * &a * &e - &e * &f,
        ];
        let wanted: Vec<BigInt> = wanted.into_iter().chain(points.into_iter().flatten()).collect();
        assert_eq!(wanted.len(), out.len());
        for (i, wanted) in wanted.iter().enumerate() {
            let difference = BigInt::from(value(&out[i][lane])) - wanted;
            assert_eq!(difference % &signed, BigInt::ZERO, "function {i}");
        }
        let opposite = BigInt::from(value(&by_lane(&work.opposite)[lane]));
        assert_eq!((opposite + &a) % &signed, BigInt::ZERO);
        let reduced = value(&numbers[0][lane]) % &p;
        assert_eq!(from_words(canonical.map(|word| word[lane])), reduced);
        assert_eq!(from_words(below.map(|word| word[lane])) % &p, reduced);
        assert_eq!(work.zeros >> lane & 1 == 1, reduced == BigUint::ZERO);
    }
}

struct Roots<L>([Field<L>; 2]);
struct Root;

impl<L: Lanes> Phase<Roots<L>> for Root {
    #[inline(always)]
    fn run(work: &mut Roots<L>) {
        work.0 = field::roots(&work.0);
    }
}

/// Square roots, which take 254 squarings: apart from the other functions.
pub fn check_roots<L: Lanes>(inputs: &Inputs) {
    let (p, numbers) = (modulus(), &inputs.numbers);
    let exponent = (&p + 1u8) / 4u8;
    let mut work = Roots(std::array::from_fn(|i| Field(lanes::<L>(&numbers[i]))));
    L::run::<_, Root>(&mut work);
    for (numbers, roots) in numbers.iter().zip(&work.0) {
        for (number, root) in numbers.iter().zip(carried(roots)) {
            assert_eq!(value(&root) % &p, value(number).modpow(&exponent, &p));
        }
    }
}
