//! The digits of u2: to base 8, in Z[w] with w^2 + w + 1 = 0.
//!
//! The curve has an endomorphism: (x, y) -> (BETA x, y) is multiplication by LAMBDA, a cube root of
//! 1 modulo n. So a + b w acts on points as a + b LAMBDA. `split` writes u2 as such a number with a
//! and b of half the length (GLV). Its digits to base 8 are taken modulo 8 in both coordinates: 0
//! or one of 63 residues. The six units (1, w, w^2 and their negatives) cost nothing on points (BETA
//! times x, or -y), and up to units there are 11 residues. So 11 points are enough for 43 digits.

use crate::lanes::{LIMB, Lanes};
use crate::scalar::Scalar;

/// The residues up to units: those of the smallest norm a^2 - ab + b^2. `tables.rs` makes them.
pub const CLASSES: [(i8, i8); 11] =
    [(1, 0), (1, -1), (2, 0), (2, -1), (1, -2), (3, 0), (2, -2), (3, -1), (1, -3), (4, 0), (3, -2)];

/// How many digits there are. The numbers are so small that a 44th is never needed: `Digits::rest`.
pub const COUNT: usize = 43;

/// A digit's code: its row of the table of R (3 * class + power of w) and two flags.
pub const ROW: u8 = 63;
pub const NEGATIVE: u8 = 64;
pub const NONZERO: u8 = 128;

const A_NEGATIVE: u8 = 1;
const B_NEGATIVE: u8 = 2;

/// By residue (a mod 8) + 8 * (b mod 8): the codes, and the signs of the digit's coordinates.
const RESIDUES: ([u8; 64], [u8; 64]) = residues();

const fn residues() -> ([u8; 64], [u8; 64]) {
    let (mut codes, mut signs) = ([0; 64], [0; 64]);
    let mut class = 0;
    while class < CLASSES.len() {
        let (mut a, mut b) = CLASSES[class];
        let mut unit = 0;
        while unit < 6 {
            let at = (a & 7) as usize + 8 * (b & 7) as usize;
            // 4 and -4 are the same residue: the first one stays.
            if codes[at] == 0 {
                let negative = if unit >= 3 { NEGATIVE } else { 0 };
                codes[at] = NONZERO | negative | (3 * class as u8 + unit % 3);
                signs[at] =
                    (if a < 0 { A_NEGATIVE } else { 0 }) | (if b < 0 { B_NEGATIVE } else { 0 });
            }
            // Times w: (a + b w) w = -b + (a - b) w. After three of these, times -1 as well.
            (a, b) = (-b, a - b);
            unit += 1;
            if unit == 3 {
                (a, b) = (-a, -b);
            }
        }
        class += 1;
    }
    (codes, signs)
}

/// 2^364 times b2/n and -b1/n, rounded: the two coordinates of 1 in the lattice's basis.
const G1: [u64; 5] =
    [0x7FE893209A45E, 0xDAA8A1471E8CA, 0x90E49284EB153, 0x1A7D46BCDE86C, 0x3086D22];
const G2: [u64; 5] =
    [0xC61571B4AE8AC, 0x21208AC9DF506, 0x7FA90ABFE4C42, 0x6010E88286F54, 0xE4437ED];
/// The lattice of all a + b w that are 0 modulo n has the basis a1 + b1 w, a2 + b2 w, with b2 = a1.
const A1: [u64; 3] = [0xC90E49284EB15, 0x21A7D46BCDE86, 0x3086D2];
const A2: [u64; 3] = [0x1108D9D44CFD8, 0xF7A8E2F3F657C, 0x114CA50];
const MINUS_B1: [u64; 3] = [0x47FA90ABFE4C3, 0xD6010E88286F5, 0xE4437E];

/// -x modulo 2^156.
const fn negative(x: [u64; 3]) -> [u64; 3] {
    // No lowest limb here is 0, so the borrow always comes.
    [(LIMB + 1) - x[0], LIMB - x[1], LIMB - x[2]]
}

/// The product's limbs 7 to 9, rounded: the number times g / 2^364.
#[inline(always)]
fn high_product<L: Lanes>(number: &Scalar<L>, g: [u64; 5]) -> [L; 3] {
    let (zero, mask) = (L::splat(0), L::splat(LIMB));
    let mut c = [zero; 10];
    for i in 0..5 {
        for j in 0..5 {
            c[i + j] = c[i + j].mad_low(number.0[i], L::splat(g[j]));
            c[i + j + 1] = c[i + j + 1].mad_high(number.0[i], L::splat(g[j]));
        }
    }
    c[6] = c[6].add(L::splat(1 << 51));
    for k in 0..9 {
        c[k + 1] = c[k + 1].add(c[k].shr::<52>());
    }
    [c[7].and(mask), c[8].and(mask), c[9]]
}

/// sum + a * b modulo 2^156. Columns of three sums of three halves stay below 2^56.
#[inline(always)]
fn add_product<L: Lanes>(sum: &mut [L; 3], a: &[L; 3], b: [u64; 3]) {
    for i in 0..3 {
        for j in 0..3 - i {
            sum[i + j] = sum[i + j].mad_low(a[i], L::splat(b[j]));
            if i + j < 2 {
                sum[i + j + 1] = sum[i + j + 1].mad_high(a[i], L::splat(b[j]));
            }
        }
    }
}

/// u2 = a + b LAMBDA modulo n: both modulo 2^156, as two's complements in limbs of 51 bits (that is
/// 17 digits of three bits). In absolute value they are below 2^128.
#[inline(always)]
pub fn split<L: Lanes>(u2: &Scalar<L>) -> ([L; 3], [L; 3]) {
    let (c1, c2) = (high_product(u2, G1), high_product(u2, G2));
    let mut a = [u2.0[0], u2.0[1], u2.0[2]];
    add_product(&mut a, &c1, negative(A1));
    add_product(&mut a, &c2, negative(A2));
    let mut b = [L::splat(0); 3];
    add_product(&mut b, &c1, MINUS_B1);
    add_product(&mut b, &c2, negative(A1));
    (in_51_bits(a), in_51_bits(b))
}

#[inline(always)]
fn in_51_bits<L: Lanes>([a, mut b, mut c]: [L; 3]) -> [L; 3] {
    let (mask, limb) = (L::splat(LIMB >> 1), L::splat(LIMB));
    b = b.add(a.shr::<52>());
    c = c.add(b.shr::<52>());
    let (a, b) = (a.and(limb), b.and(limb));
    [
        a.and(mask),
        a.shr::<51>().or(b.shl::<1>()).and(mask),
        b.shr::<50>().or(c.shl::<2>()).and(mask),
    ]
}

/// The codes of the digits, the lowest first, and a bit for each lane where digits remained.
///
/// A digit has coordinates between -5 and 5 with the residue of what is left. Taking the digit away
/// and dividing by 8 leaves a carry of 0 or 1: 1 if the coordinate is negative, or if three bits
/// and the carry before made 8.
#[inline(always)]
pub fn digits<L: Lanes>(a: [L; 3], b: [L; 3], codes: &mut [L; COUNT]) -> u8 {
    let (seven, one) = (L::splat(7), L::splat(1));
    let (mut carry_a, mut carry_b) = (L::splat(0), L::splat(0));
    let (mut left_a, mut left_b) = (a[0], b[0]);
    for (i, code) in codes.iter_mut().enumerate() {
        if i % 17 == 0 {
            (left_a, left_b) = (a[i / 17], b[i / 17]);
        }
        let (at_a, at_b) = (left_a.and(seven).add(carry_a), left_b.and(seven).add(carry_b));
        (left_a, left_b) = (left_a.shr::<3>(), left_b.shr::<3>());
        let residue = at_a.and(seven).or(at_b.and(seven).shl::<3>());
        *code = residue.look_up(&RESIDUES.0);
        let signs = residue.look_up(&RESIDUES.1);
        carry_a = at_a.shr::<3>().or(signs.and(one));
        carry_b = at_b.shr::<3>().or(signs.shr::<1>());
    }
    // The rest is the sign's 24 bits and the carry: 0, or all ones and a carry of one.
    let rest = L::splat((1 << 24) - 1);
    let (rest_a, rest_b) = (left_a.add(carry_a).and(rest), left_b.add(carry_b).and(rest));
    !rest_a.or(rest_b).zeros()
}
