//! Numbers of up to 260 bits in five limbs of 52, for both moduli: words to limbs and back, carries.

use crate::each;
use crate::lanes::{LIMB, Lanes};

/// Carries from each limb to the next, and does not clear what was carried.
#[inline(always)]
pub fn rippled<L: Lanes>(limbs: [L; 5]) -> [L; 5] {
    let [a, mut b, mut c, mut d, mut e] = limbs;
    b = b.add(a.shr::<52>());
    c = c.add(b.shr::<52>());
    d = d.add(c.shr::<52>());
    e = e.add(d.shr::<52>());
    [a, b, c, d, e]
}

/// Limbs 0 to 3 without the bits from 52 up.
#[inline(always)]
pub fn cleared<L: Lanes>(limbs: [L; 5]) -> [L; 5] {
    let mask = L::splat(LIMB);
    let [a, b, c, d, e] = limbs;
    [a.and(mask), b.and(mask), c.and(mask), d.and(mask), e]
}

/// The number of the first lane.
#[inline(always)]
pub fn first_lane<L: Lanes>(words: [L; 4]) -> [u64; 4] {
    let [a, b, c, d] = words;
    [a.store()[0], b.store()[0], c.store()[0], d.store()[0]]
}

/// Limbs of 52 bits from words of 64.
#[inline(always)]
pub fn to_limbs<L: Lanes>(words: [L; 4]) -> [L; 5] {
    let mask = L::splat(LIMB);
    let [a, b, c, d] = words;
    [
        a.and(mask),
        a.shr::<52>().or(b.shl::<12>()).and(mask),
        b.shr::<40>().or(c.shl::<24>()).and(mask),
        c.shr::<28>().or(d.shl::<36>()).and(mask),
        d.shr::<16>(),
    ]
}

/// Words of 64 bits from limbs below 2^52, the last below 2^48.
#[inline(always)]
pub fn to_words<L: Lanes>(limbs: [L; 5]) -> [L; 4] {
    let [a, b, c, d, e] = limbs;
    [
        a.or(b.shl::<52>()),
        b.shr::<12>().or(c.shl::<40>()),
        c.shr::<24>().or(d.shl::<28>()),
        d.shr::<36>().or(e.shl::<16>()),
    ]
}

/// `words[i][lane]`, from eight numbers.
#[inline(always)]
pub fn gather<L: Lanes>(numbers: &[[u64; 4]; 8]) -> [L; 4] {
    each!(i < 4, L::load(&std::array::from_fn(|lane| numbers[lane][i])))
}
