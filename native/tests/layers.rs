//! Each layer against big integers and libsecp256k1, under the portable and the vector lanes.
//!
//! Inputs are limbs at the edges of what the invariants allow, because a mistake in a bound shows
//! once in millions of random inputs.

mod damage;

use damage::{Random, n, number, p, word};
use num_bigint::{BigInt, BigUint};
use payloads_simd::digits::{self, CLASSES, COUNT};
use payloads_simd::field::{self, Factor, Field, Loose, Wide};
use payloads_simd::inverse::{self, inverse};
use payloads_simd::inversions::Inversions;
use payloads_simd::lanes::{LIMB, Lanes, Phase, Portable};
use payloads_simd::scalar::Scalar;
use payloads_simd::tables::{comb, multiple_of_g};

#[cfg(target_arch = "x86_64")]
use payloads_simd::lanes::Avx512;

/// Runs the check with both kinds of lanes, and says so where one cannot run.
fn both(name: &str, portable: impl Fn(), vector: impl Fn()) {
    portable();
    #[cfg(target_arch = "x86_64")]
    if Avx512::available() {
        vector();
        return;
    }
    let _ = vector;
    println!("{name}: vector instructions NOT RUN, this machine has none");
}

macro_rules! with_both_lanes {
    ($name:ident, $check:ident) => {
        #[test]
        fn $name() {
            both(
                stringify!($name),
                || $check::<Portable>(),
                || {
                    #[cfg(target_arch = "x86_64")]
                    $check::<Avx512>()
                },
            );
        }
    };
}

type Limbs = [u64; 5];

fn value(limbs: &Limbs) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |sum, limb| (sum << 52) + *limb)
}

fn from_words(words: [u64; 4]) -> BigUint {
    words.iter().rev().fold(BigUint::ZERO, |sum, word| (sum << 64) + *word)
}

/// Carried limbs: each the smallest, the largest, near them, a field constant's, or random.
fn edge_limbs(random: &mut Random) -> Limbs {
    const TOP: u64 = (1 << 48) + (1 << 9) - 1;
    let p = [0xF_FFFE_FFFF_FC2F, LIMB, LIMB, LIMB, LIMB >> 4];
    let mut limbs = [0; 5];
    let style = random.below(6);
    for (k, limb) in limbs.iter_mut().enumerate() {
        let most = if k == 4 { TOP } else { LIMB };
        *limb = match (style, random.below(8)) {
            (0, _) => most,
            (1, _) => p[k],
            (2, 0) => p[k].saturating_sub(1),
            (2, _) => p[k],
            (_, 0) => 0,
            (_, 1) => most,
            (_, 2) => most - 1,
            (_, 3) => 1,
            (_, 4) => p[k],
            (_, 5) => 1 << random.below(48),
            _ => random.next() % (most + 1),
        };
    }
    limbs
}

fn lanes<L: Lanes>(numbers: &[Limbs; 8]) -> Field<L> {
    let column = |k: usize| L::load(&std::array::from_fn(|lane| numbers[lane][k]));
    Field([column(0), column(1), column(2), column(3), column(4)])
}

/// The limbs of all lanes, which must be carried.
fn carried<L: Lanes>(field: &Field<L>) -> [Limbs; 8] {
    let columns = field.0.map(|limb| limb.store());
    let out: [Limbs; 8] = std::array::from_fn(|lane| columns.map(|column| column[lane]));
    for limbs in out {
        assert!(limbs[..4].iter().all(|limb| *limb <= LIMB), "{limbs:x?}");
        assert!(limbs[4] < (1 << 48) + (1 << 9), "{limbs:x?}");
    }
    out
}

/// A factor whose bits from 52 up mean nothing, and whose limb 4 goes up to 2^50.
fn edge_loose(random: &mut Random) -> Limbs {
    let mut limbs = edge_limbs(random);
    for limb in &mut limbs[..4] {
        *limb |= [0, LIMB << 52, random.next() << 52][random.below(3)];
    }
    limbs[4] = [limbs[4], (1 << 50) - 1, (1 << 50) - 2, 1 << 49][random.below(4)];
    limbs
}

fn cleared(mut limbs: Limbs) -> Limbs {
    for limb in &mut limbs[..4] {
        *limb &= LIMB;
    }
    limbs
}

fn loose<L: Lanes>(factor: &Loose<L>) -> [Limbs; 8] {
    let columns = factor.0.map(|limb| limb.store());
    std::array::from_fn(|lane| {
        let limbs = columns.map(|column| column[lane]);
        assert!(limbs[4] < 1 << 50, "{limbs:x?}");
        cleared(limbs)
    })
}

/// Every function of the field on values and factors: the results, and the canonical words.
struct FieldWork<L> {
    a: Field<L>,
    b: Field<L>,
    c: Field<L>,
    e: Loose<L>,
    f: Loose<L>,
    out: Vec<Field<L>>,
    factors: Vec<Loose<L>>,
    words: [L; 4],
    below: [L; 4],
    zeros: u8,
}

struct FieldCheck;

const NEGATED: u8 = 0b1010_0110;

impl<L: Lanes> Phase<FieldWork<L>> for FieldCheck {
    #[inline(always)]
    fn run(work: &mut FieldWork<L>) {
        let (a, b, c, e, f) = (work.a, work.b, work.c, work.e, work.f);
        work.out = vec![
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
            e.wide_square().eightfold().plus(&e, &f).reduce::<1>(),
            a.wide(&e).plus(&f, &b).reduce::<1>(),
        ];
        work.factors = vec![
            e.times_loosely(&f),
            e.square_loosely(),
            e.wide(&f).loosely::<2>(),
            e.wide_square().loosely::<3>(),
            Wide::of(a.0).plus(&e, &f).loosely::<1>(),
            a.less(&b),
            a.negated_where(NEGATED),
            a.loose(),
        ];
        work.words = a.canonical();
        work.below = a.below_2_256();
        work.zeros = a.zeros();
    }
}

fn field<L: Lanes>() {
    let (p, mut random) = (p(), Random(11));
    for _ in 0..20_000 {
        let mut eight = |edges: fn(&mut Random) -> Limbs| -> [Limbs; 8] {
            std::array::from_fn(|_| edges(&mut random))
        };
        let inputs = [eight(edge_limbs), eight(edge_limbs), eight(edge_limbs)];
        let factors = [eight(edge_loose), eight(edge_loose)];
        let zero = L::splat(0);
        let mut work = FieldWork {
            a: lanes::<L>(&inputs[0]),
            b: lanes(&inputs[1]),
            c: lanes(&inputs[2]),
            e: Loose(lanes::<L>(&factors[0]).0),
            f: Loose(lanes::<L>(&factors[1]).0),
            out: vec![],
            factors: vec![],
            words: [zero; 4],
            below: [zero; 4],
            zeros: 0,
        };
        L::run::<_, FieldCheck>(&mut work);
        let mut out: Vec<_> = work.out.iter().map(carried).collect();
        out.extend(work.factors.iter().map(loose));
        let (words, below) = (work.words.map(L::store), work.below.map(L::store));
        for lane in 0..8 {
            let [a, b, c] = [0, 1, 2].map(|i| BigInt::from(value(&inputs[i][lane])));
            let [e, f] = [0, 1].map(|i| BigInt::from(value(&cleared(factors[i][lane]))));
            let sign = if NEGATED >> lane & 1 == 1 { -1 } else { 1 };
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
                8 * &e * &e + &e * &f,
                &a * &e + &f * &b,
                &e * &f,
                &e * &e,
                2 * &e * &f,
                3 * &e * &e,
                &e * &f + &a,
                &a - &b,
                sign * &a,
                a.clone(),
            ];
            assert_eq!(wanted.len(), out.len());
            let modulus = BigInt::from(p.clone());
            for (i, wanted) in wanted.iter().enumerate() {
                let difference = BigInt::from(value(&out[i][lane])) - wanted;
                assert_eq!(difference % &modulus, BigInt::ZERO, "function {i}");
            }
            let reduced = value(&inputs[0][lane]) % &p;
            assert_eq!(from_words(words.map(|word| word[lane])), reduced);
            assert_eq!(from_words(below.map(|word| word[lane])) % &p, reduced);
            assert_eq!(work.zeros >> lane & 1 == 1, reduced == BigUint::ZERO);
        }
    }
}
with_both_lanes!(field_functions_at_the_edges_of_their_bounds, field);

struct RootWork<L>([Field<L>; 2], [Field<L>; 2]);
struct RootCheck;

impl<L: Lanes> Phase<RootWork<L>> for RootCheck {
    #[inline(always)]
    fn run(work: &mut RootWork<L>) {
        work.1 = field::roots(&work.0);
    }
}

fn roots<L: Lanes>() {
    let (p, mut random) = (p(), Random(12));
    let exponent = (&p + 1u8) / 4u8;
    for _ in 0..20 {
        let inputs: [[Limbs; 8]; 2] =
            std::array::from_fn(|_| std::array::from_fn(|_| edge_limbs(&mut random)));
        let mut work = RootWork([0, 1].map(|i| lanes::<L>(&inputs[i])), [Field::one(); 2]);
        L::run::<_, RootCheck>(&mut work);
        for (inputs, roots) in inputs.iter().zip(&work.1) {
            for (input, root) in inputs.iter().zip(carried(roots)) {
                assert_eq!(value(&root) % &p, value(input).modpow(&exponent, &p));
            }
        }
    }
}
with_both_lanes!(roots_are_powers, roots);

#[test]
fn inverses() {
    let mut random = Random(13);
    for (modulus, prime) in [(&inverse::P, p()), (&inverse::N, n())] {
        for i in 0..20_000u32 {
            let number = match i {
                0..300 => BigUint::from(i),
                300..600 => &prime - (i - 299),
                600..850 => BigUint::from(1u8) << (i - 600),
                _ => BigUint::from_bytes_be(&random.word()) % &prime,
            };
            let mut words = number.to_u64_digits();
            words.resize(4, 0);
            let found = from_words(inverse([words[0], words[1], words[2], words[3]], modulus));
            let product = if number == BigUint::ZERO { 0u8 } else { 1 };
            assert_eq!(found.clone() * number % &prime, BigUint::from(product));
            assert!(found < prime);
        }
    }
}

struct ManyWork<L> {
    numbers: Vec<Loose<L>>,
    inverses: Vec<Loose<L>>,
    zeros: Vec<(usize, u8)>,
}
struct ManyCheck;

impl<L: Lanes> Phase<ManyWork<L>> for ManyCheck {
    #[inline(always)]
    fn run(work: &mut ManyWork<L>) {
        let mut inversions = Inversions::new();
        for number in &work.numbers {
            inversions.push(*number);
        }
        inversions.invert(|i, lanes| work.zeros.push((i, lanes)));
        for _ in 0..work.numbers.len() {
            work.inverses.insert(0, inversions.pop());
        }
    }
}

fn many_inverses<L: Lanes>() {
    let (p, mut random) = (p(), Random(14));
    for size in 1..40 {
        let inputs: Vec<[Limbs; 8]> =
            (0..size).map(|_| std::array::from_fn(|_| edge_loose(&mut random))).collect();
        let numbers = inputs.iter().map(|eight| Loose(lanes::<L>(eight).0)).collect();
        let mut work = ManyWork { numbers, inverses: vec![], zeros: vec![] };
        L::run::<_, ManyCheck>(&mut work);
        for (i, (eight, inverses)) in inputs.iter().zip(&work.inverses).enumerate() {
            let zeros = work.zeros.iter().find(|(at, _)| *at == i).map_or(0, |found| found.1);
            for (lane, (input, inverse)) in eight.iter().zip(loose(inverses)).enumerate() {
                let input = value(&cleared(*input)) % &p;
                assert_eq!(zeros >> lane & 1 == 1, input == BigUint::ZERO);
                if input != BigUint::ZERO {
                    assert_eq!(input * value(&inverse) % &p, BigUint::from(1u8));
                }
            }
        }
    }
}
with_both_lanes!(many_inverses_and_zeros_among_them, many_inverses);

struct DigitWork<L> {
    u2: Scalar<L>,
    codes: [L; COUNT],
    rest: u8,
    product: Scalar<L>,
    canonical: Scalar<L>,
}
struct DigitCheck;

impl<L: Lanes> Phase<DigitWork<L>> for DigitCheck {
    #[inline(always)]
    fn run(work: &mut DigitWork<L>) {
        let (a, b) = digits::split(&work.u2);
        work.rest = digits::digits(a, b, &mut work.codes);
        work.product = work.u2.times(&work.u2.in_form());
        work.canonical = work.product.canonical();
    }
}

fn scalars<L: Lanes>() {
    let (n, mut random) = (n(), Random(15));
    let lambda = number("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");
    for round in 0..3_000u32 {
        let numbers: [BigUint; 8] = std::array::from_fn(|lane| match (round, lane) {
            (0..256, 0) => (BigUint::from(1u8) << round) % &n,
            (0..256, 1) => &n - ((BigUint::from(1u8) << round) % &n),
            (0..256, 2) => &lambda * (round + 1) % &n,
            (0..256, 3) => &n / (round + 1),
            (0..256, 4) => (BigUint::from(1u8) << 256) - 1u8 - round,
            _ => BigUint::from_bytes_be(&random.word()),
        });
        let limbs = numbers.each_ref().map(|number| {
            std::array::from_fn(|k| {
                ((number >> (52 * k)) & BigUint::from(LIMB)).try_into().expect("a limb")
            })
        });
        let u2 = Scalar(lanes::<L>(&limbs).0);
        let mut work =
            DigitWork { u2, codes: [L::splat(0); COUNT], rest: 0, product: u2, canonical: u2 };
        L::run::<_, DigitCheck>(&mut work);
        assert_eq!(work.rest, 0, "a 44th digit");
        let codes = work.codes.map(L::store);
        let canonical = work.canonical.0.map(L::store);
        for (lane, number) in numbers.iter().enumerate() {
            let mut sum = BigInt::ZERO;
            for code in codes.iter().rev().map(|word| word[lane] as u8) {
                sum *= 8;
                if code & digits::NONZERO == 0 {
                    assert_eq!(code, 0);
                    continue;
                }
                let row = code & digits::ROW;
                let (a, b) = CLASSES[usize::from(row / 3)];
                let mut digit = BigInt::from(a) + BigInt::from(b) * BigInt::from(lambda.clone());
                for _ in 0..row % 3 {
                    digit *= BigInt::from(lambda.clone());
                }
                sum += if code & digits::NEGATIVE == 0 { digit } else { -digit };
            }
            assert_eq!(
                (sum - BigInt::from(number.clone())) % BigInt::from(n.clone()),
                BigInt::ZERO
            );
            let square = value(&canonical.map(|limb| limb[lane]));
            assert_eq!(square, number * number % &n);
        }
    }
}
with_both_lanes!(scalars_and_their_digits, scalars);

#[test]
fn the_comb_holds_odd_multiples() {
    let comb = comb();
    for position in 0..32 {
        for row in [0, 1, 2, 63, 126, 127] {
            let factor = BigUint::from(2 * row as u32 + 1) << (8 * position);
            assert_eq!(comb.rows[position][row], multiple_of_g(&word(&factor)));
        }
    }
}
