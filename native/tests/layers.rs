//! Each layer against big integers and libsecp256k1, under the portable and the vector lanes.
//!
//! Inputs are limbs at the edges of what the invariants allow, because a mistake in a bound shows
//! once in millions of random inputs.

mod damage;
#[macro_use]
mod edges;

use damage::{Random, lambda, n, p, word};
use edges::{Limbs, cleared, from_words, lanes, loose, loose_limbs, value};
use num_bigint::{BigInt, BigUint};
use payloads_simd::digits::{self, CLASSES, COUNT};
use payloads_simd::dispatch;
use payloads_simd::field::Loose;
use payloads_simd::inverse::{self, inverse};
use payloads_simd::inversions::Inversions;
use payloads_simd::keccak::{Hash, Messages};
use payloads_simd::lanes::{LIMB, Lanes, Phase};
use payloads_simd::scalar::Scalar;
use payloads_simd::tables::{comb, multiple_of_g};
use tiny_keccak::{Hasher, Keccak};

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
        // In pairs, as far as they go.
        let (pairs, single) = work.numbers.as_chunks::<2>();
        for pair in pairs {
            inversions.push(*pair);
        }
        if let [number] = single {
            inversions.push([*number]);
        }
        inversions.invert(|i, lanes| work.zeros.push((i, lanes)));
        let last = single.iter().flat_map(|_| inversions.pop::<1>());
        let mut inverses: Vec<_> = last.collect();
        for _ in pairs {
            let [a, b] = inversions.pop();
            inverses.extend([b, a]);
        }
        work.inverses = inverses.into_iter().rev().collect();
    }
}

fn many_inverses<L: Lanes>() {
    let (p, mut random) = (p(), Random(14));
    for size in 1..40 {
        let inputs: Vec<[Limbs; 8]> = (0..size)
            .map(|_| std::array::from_fn(|_| loose_limbs(&mut || random.next())))
            .collect();
        let numbers = inputs.iter().map(|eight| Loose(lanes::<L>(eight))).collect();
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
    let lambda = lambda();
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
        let u2 = Scalar(lanes::<L>(&limbs));
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

fn hashes<L: Lanes>() {
    let mut random = Random(16);
    // Every number of lanes in use, and sizes around one, two and three blocks.
    for (round, size) in (1..300).chain([135, 136, 137, 271, 272, 273, 1810]).enumerate() {
        let count = 1 + round % 17;
        let bytes: Vec<u8> = (0..size * count).map(|_| random.next() as u8).collect();
        let mut digests = vec![[0; 32]; count];
        L::run::<_, Hash<L>>(&mut Messages { bytes: &bytes, size, digests: &mut digests });
        for (message, digest) in bytes.chunks(size).zip(&digests) {
            let (mut hasher, mut wanted) = (Keccak::v256(), [0; 32]);
            hasher.update(message);
            hasher.finalize(&mut wanted);
            assert_eq!(*digest, wanted, "{size} bytes");
        }
        assert_eq!(dispatch::hashes(&bytes, size), digests);
    }
}
with_both_lanes!(messages_of_every_size, hashes);

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
