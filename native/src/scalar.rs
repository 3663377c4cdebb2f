//! Numbers modulo the order n of the curve, eight at a time, in Montgomery's form.
//!
//! **Invariant.** Limbs 0 to 3 are below 2^52 and the value is below 2^257. A product is
//! a * b / 2^260 modulo n. It is below n + 2^254 (2^514 / 2^260), which is below 2^257 again.

use crate::each;
use crate::inverse::{self, inverse};
use crate::inversions::Numbers;
use crate::lanes::{LIMB, Lanes};
use crate::limbs::{cleared, first_lane, gather, rippled, to_limbs, to_words};

pub const N: [u64; 5] =
    [0x2_5E8C_D036_4141, 0xE_6AF4_8A03_BBFD, 0xF_FFFF_FEBA_AEDC, LIMB, LIMB >> 4];
/// -1 / n modulo 2^52.
const N_INVERSE: u64 = 0xD_FF66_5588_B13F;
/// 2^520 and 2^780 modulo n.
const R2: [u64; 5] =
    [0xE180C268B3B23, 0x94FD6E33E4C8E, 0xD07C73B975948, 0xC5E697F5E45BC, 0x671CD581C69B];
const R3: [u64; 5] =
    [0xBE9CDC2D4E06B, 0x48A4E46926404, 0xB2DA6C80FE86A, 0xDB1B31347F1D0, 0xD800C18EF116];
/// -1/2 in Montgomery's form.
const MINUS_HALF: [u64; 5] = [0x552F351E84B49, 0x1C298DA219BE6, 0xFFFFFF49025C4, LIMB, LIMB >> 4];
/// (2^256 - 1 - START * 2^126) / 2 modulo n: see `comb_bits`.
const COMB_OFFSET: [u64; 5] =
    [0x3D605B0F15E6D, 0xAB97EA0A1834, 0x115A8F676AD81, 0xC1F768FBC1D29, 0x380F64CB4A];

/// The loop over R starts at START * G (`engine.rs` says why): the bytes of a sentence.
pub const START: [u8; 32] = *b"payloads: the loop's first point";

#[derive(Clone, Copy)]
pub struct Scalar<L>(pub [L; 5]);

impl<L: Lanes> Scalar<L> {
    #[inline(always)]
    pub fn constant(limbs: [u64; 5]) -> Self {
        Self(each!(k < 5, L::splat(limbs[k])))
    }

    #[inline(always)]
    pub fn from_words(words: [L; 4]) -> Self {
        Self(to_limbs(words))
    }

    /// a * b / 2^260 modulo n. Columns are below 20 * 2^52 + a carry, far below 2^64.
    #[inline(always)]
    pub fn times(&self, other: &Self) -> Self {
        let (a, b, zero) = (&self.0, &other.0, L::splat(0));
        let (mut low, mut high) = ([zero; 10], [zero; 10]);
        for i in 0..5 {
            for j in 0..5 {
                low[i + j] = low[i + j].mad_low(a[i], b[j]);
                high[i + j + 1] = high[i + j + 1].mad_high(a[i], b[j]);
            }
        }
        let mut c: [L; 10] = each!(k < 10, low[k].add(high[k]));
        // A multiple of n makes the lowest column divisible by 2^52, five times over.
        for i in 0..5 {
            let factor = zero.mad_low(c[i], L::splat(N_INVERSE));
            for j in 0..5 {
                c[i + j] = c[i + j].mad_low(factor, L::splat(N[j]));
                c[i + j + 1] = c[i + j + 1].mad_high(factor, L::splat(N[j]));
            }
            c[i + 1] = c[i + 1].add(c[i].shr::<52>());
        }
        carried([c[5], c[6], c[7], c[8], c[9]])
    }

    #[inline(always)]
    pub fn in_form(&self) -> Self {
        self.times(&Self::constant(R2))
    }

    /// In [0, n), for a value below 2n.
    #[inline(always)]
    pub fn canonical(&self) -> Self {
        // value - n = value + (2^256 - n) - 2^256, where value + (2^256 - n) reaches 2^256.
        let mut more = self.0;
        more[0] = more[0].add(L::splat((LIMB + 1) - N[0]));
        for k in 1..3 {
            more[k] = more[k].add(L::splat(LIMB - N[k]));
        }
        let mut more = carried(more);
        let below = more.0[4].shr::<48>().zeros();
        more.0[4] = more.0[4].and(L::splat(LIMB >> 4));
        Self(each!(k < 5, L::pick(below, self.0[k], more.0[k])))
    }

    /// The bits b of a comb of G, from the product of 1/r (in form) and z.
    ///
    /// With u1 = -z/r, the comb must give (u1 - START * 2^126) * G. Its digit i is
    /// 2 * (byte i of b) - 255, an odd number, and the digits add up to 2b - (2^256 - 1).
    #[inline(always)]
    pub fn comb_bits(z: &Self, inverse_of_r: &Self) -> [L; 4] {
        let minus_half = inverse_of_r.times(&Self::constant(MINUS_HALF));
        let half = minus_half.times(z).canonical();
        let offset = Self::constant(COMB_OFFSET);
        let sum = carried(each!(k < 5, half.0[k].add(offset.0[k])));
        to_words(sum.canonical().0)
    }
}

impl<L: Lanes> Numbers for Scalar<L> {
    #[inline(always)]
    fn product(&self, other: &Self) -> Self {
        self.times(other)
    }
    #[inline(always)]
    fn exchanged<const DISTANCE: usize>(&self) -> Self {
        Self(each!(k < 5, self.0[k].swap::<DISTANCE>()))
    }
}

#[inline(always)]
fn carried<L: Lanes>(limbs: [L; 5]) -> Scalar<L> {
    Scalar(cleared(rippled(limbs)))
}

/// The inverse of each (in form) of numbers in form, none of them 0, in place.
///
/// Montgomery's trick: the inverse of the product of all, times all the others.
#[inline(always)]
pub fn invert_all<L: Lanes>(numbers: &mut [Scalar<L>], prefixes: &mut Vec<Scalar<L>>) {
    prefixes.clear();
    let mut product = numbers[0];
    for number in &numbers[1..] {
        prefixes.push(product);
        product = product.times(number);
    }
    let (all, others) = product.products();
    let total = first_lane(to_words(all.canonical().0));
    // total is T * 2^260, so its inverse times 2^780 / 2^260 is 1/T in form.
    let inverted = inverse(total, &inverse::N);
    let inverted = Scalar::from_words(gather(&[inverted; 8])).times(&Scalar::constant(R3));
    let mut running = inverted.times(&others);
    for i in (1..numbers.len()).rev() {
        let number = numbers[i];
        numbers[i] = running.times(&prefixes[i - 1]);
        running = running.times(&number);
    }
    numbers[0] = running;
}
