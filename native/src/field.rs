//! Numbers modulo p = 2^256 - 0x1000003D1, eight at a time.
//!
//! **Invariants.** A `Field` is carried: limbs 0 to 3 are below 2^52 and limb 4 is below 2^48 + 2^9.
//! The value may exceed p; `canonical` brings it into [0, p). The invariant matters because a
//! multiplication instruction drops the bits from 52 up without a word.
//!
//! A `Loose` is for products only. Bits from 52 up of its limbs 0 to 3 have been carried already and
//! were not cleared, which an instruction is spared for, since a multiplication does not look at
//! them. Its limb 4 has no such bits, and is below 2^50. A `Factor` is either of the two.
//!
//! A `Folded` is for sums only: what a reduction has before it carries. A value that is never
//! multiplied stays so, and one that is both multiplied and added is carried for the product alone.
//!
//! **Products.** A product is ten columns of weight 2^(52 k), a `Wide`. A column gets at most five
//! low and five high halves, so it stays below 10 * 2^52 < 2^56, and column 9 below 2^48. Sums of
//! products and linear terms are made on columns, before the reduction: that saves their own
//! carrying. All halves of a column go into one sum, that is what takes the fewest instructions;
//! the time in which each waits for the one before belongs to another group (`points.rs`).
//!
//! **Differences.** Columns must not become negative. A value is taken away by adding 2p - value,
//! whose limbs are all at least 0: `opposite`. A folded value has larger limbs, and so has its
//! multiple of p. No product is ever taken away.

use crate::each;
use crate::lanes::{LIMB, Lanes};
use crate::limbs::{cleared, rippled, to_limbs, to_words};

/// 2^256 mod p, and 2^260 mod p.
const FOLD_256: u64 = 0x10_0000_3D1;
const FOLD_260: u64 = FOLD_256 << 4;

pub const P: [u64; 5] = [0xF_FFFE_FFFF_FC2F, LIMB, LIMB, LIMB, LIMB >> 4];

/// 2p limb by limb: each limb is at least that of any carried value.
const TWO_P: [u64; 5] = [2 * P[0], 2 * P[1], 2 * P[2], 2 * P[3], 2 * P[4]];

/// 2p, too, with 16 taken from each limb but the lowest for the limb below: limbs 0 to 3 are above
/// 17 * 2^52, and limb 4 is 2^49 - 18.
const TWO_P_LIFTED: [u64; 5] = [
    TWO_P[0] + (16 << 52),
    TWO_P[1] + (16 << 52) - 16,
    TWO_P[2] + (16 << 52) - 16,
    TWO_P[3] + (16 << 52) - 16,
    TWO_P[4] - 16,
];

#[derive(Clone, Copy)]
pub struct Field<L>(pub [L; 5]);

/// A factor whose limbs were carried and not cleared.
#[derive(Clone, Copy)]
pub struct Loose<L>(pub [L; 5]);

/// Five columns below 2^60, the last below 2^48.
#[derive(Clone, Copy)]
pub struct Folded<L>([L; 5]);

/// Ten columns, not reduced.
#[derive(Clone, Copy)]
pub struct Wide<L>([L; 10]);

/// What can be multiplied.
pub trait Factor<L: Lanes>: Copy {
    fn limbs(&self) -> &[L; 5];

    #[inline(always)]
    fn wide(&self, other: &impl Factor<L>) -> Wide<L> {
        Wide::of([L::splat(0); 5]).plus(self, other)
    }

    #[inline(always)]
    fn wide_square(&self) -> Wide<L> {
        Wide::of([L::splat(0); 5]).twice_and_square(self)
    }

    #[inline(always)]
    fn times(&self, other: &impl Factor<L>) -> Field<L> {
        self.wide(other).reduce::<1>()
    }

    #[inline(always)]
    fn square(&self) -> Field<L> {
        self.wide_square().reduce::<1>()
    }

    #[inline(always)]
    fn times_loosely(&self, other: &impl Factor<L>) -> Loose<L> {
        self.wide(other).loosely::<1>()
    }

    #[inline(always)]
    fn square_loosely(&self) -> Loose<L> {
        self.wide_square().loosely::<1>()
    }
}

impl<L: Lanes> Factor<L> for Field<L> {
    #[inline(always)]
    fn limbs(&self) -> &[L; 5] {
        &self.0
    }
}

impl<L: Lanes> Factor<L> for Loose<L> {
    #[inline(always)]
    fn limbs(&self) -> &[L; 5] {
        &self.0
    }
}

impl<L: Lanes> Loose<L> {
    /// The limbs without the bits that mean nothing, to be added to columns.
    #[inline(always)]
    pub fn limbs_to_add(&self) -> [L; 5] {
        cleared(self.0)
    }

    #[inline(always)]
    pub fn pick(mask: u8, yes: &Self, no: &Self) -> Self {
        Self(each!(k < 5, L::pick(mask, yes.0[k], no.0[k])))
    }

    /// The same value, carried.
    #[inline(always)]
    pub fn tight(&self) -> Field<L> {
        Field(cleared(self.0)).carried()
    }

    #[inline(always)]
    pub fn swap<const DISTANCE: usize>(&self) -> Self {
        Self(each!(k < 5, self.0[k].swap::<DISTANCE>()))
    }
}

impl<L: Lanes> Field<L> {
    #[inline(always)]
    pub fn constant(limbs: [u64; 5]) -> Self {
        Self(each!(k < 5, L::splat(limbs[k])))
    }

    #[inline(always)]
    pub fn one() -> Self {
        Self::constant([1, 0, 0, 0, 0])
    }

    /// From words; any 256-bit value is carried.
    #[inline(always)]
    pub fn from_words(words: [L; 4]) -> Self {
        Self(to_limbs(words))
    }

    #[inline(always)]
    pub fn loose(&self) -> Loose<L> {
        Loose(self.0)
    }

    /// 2p - self, not carried: limbs from 0 to below 2^53, limb 4 below 2^49.
    #[inline(always)]
    pub fn opposite(&self) -> [L; 5] {
        each!(k < 5, L::splat(TWO_P[k]).sub(self.0[k]))
    }

    /// self - other, as a factor. Limb 4 is below 2^48 + 2^9 + 2^49 and a carry, which is below 2^50.
    #[inline(always)]
    pub fn less(&self, other: &Self) -> Loose<L> {
        Loose(rippled(each!(k < 5, self.0[k].add(L::splat(TWO_P[k])).sub(other.0[k]))))
    }

    /// self or, where the bit is set, its negation, as a factor.
    #[inline(always)]
    pub fn negated_where(&self, mask: u8) -> Loose<L> {
        let opposite = self.opposite();
        Loose(rippled(each!(k < 5, L::pick(mask, opposite[k], self.0[k]))))
    }

    /// self - other, carried. Bound before: limbs below 3 * 2^52.
    #[inline(always)]
    pub fn minus(&self, other: &Self) -> Self {
        Self(each!(k < 5, self.0[k].add(L::splat(TWO_P[k])).sub(other.0[k]))).carried()
    }

    #[inline(always)]
    pub fn negated(&self) -> Self {
        Self(self.opposite()).carried()
    }

    /// self + other, carried. Bound before: limbs below 2 * 2^52.
    #[inline(always)]
    pub fn plus(&self, other: &Self) -> Self {
        Self(each!(k < 5, self.0[k].add(other.0[k]))).carried()
    }

    /// Folds what is above 2^256 and carries. Bound before: limbs below 2^62. Then the top is below
    /// 2^14, its multiple of 2^256 mod p below 2^47, each carry below 2^11, hence limb 4 < 2^48 + 2^9
    /// for limbs below 2^60, which all callers keep.
    #[inline(always)]
    fn carried(self) -> Self {
        let [mut a, b, c, d, mut e] = self.0;
        let top = e.shr::<48>();
        e = e.and(L::splat(LIMB >> 4));
        a = a.mad_low(top, L::splat(FOLD_256));
        Self([a, b, c, d, e]).tightly_rippled()
    }

    #[inline(always)]
    fn tightly_rippled(self) -> Self {
        Self(cleared(rippled(self.0)))
    }

    /// The same value modulo p, below 2^256: a carried value is below 2^256 + 2^217, and where the
    /// fold takes 2^256 away, what remains is far below 2^256.
    #[inline(always)]
    pub fn below_2_256(&self) -> [L; 4] {
        to_words(self.carried().0)
    }

    /// The value in [0, p): below 2^256 there is at most one p to take away, and value >= p exactly
    /// if value + 2^256 - p reaches 2^256.
    #[inline(always)]
    pub fn canonical(&self) -> [L; 4] {
        let value = self.carried();
        let mut more = value;
        more.0[0] = more.0[0].add(L::splat(FOLD_256));
        let mut more = more.tightly_rippled();
        let fits = more.0[4].shr::<48>().zeros();
        more.0[4] = more.0[4].and(L::splat(LIMB >> 4));
        to_words(each!(k < 5, L::pick(fits, value.0[k], more.0[k])))
    }

    /// A bit for each lane that is 0 modulo p.
    #[inline(always)]
    pub fn zeros(&self) -> u8 {
        let [a, b, c, d] = self.canonical();
        a.or(b).or(c.or(d)).zeros()
    }

    #[inline(always)]
    pub fn pick(mask: u8, yes: &Self, no: &Self) -> Self {
        Self(each!(k < 5, L::pick(mask, yes.0[k], no.0[k])))
    }
}

impl<L: Lanes> Folded<L> {
    #[inline(always)]
    pub fn tight(self) -> Field<L> {
        Field(self.0).tightly_rippled()
    }

    /// The same as a factor.
    #[inline(always)]
    pub fn loose(&self) -> Loose<L> {
        Loose(rippled(self.0))
    }

    /// 2p - self, for a value that is one product, once. Column 4 of it is at most nine halves, and
    /// the fold adds less than two to each: limbs 0 to 3 are below 11 * 2^52. What comes out is from
    /// 0 to below 18 * 2^52, limb 4 below 2^49.
    #[inline(always)]
    pub fn opposite(&self) -> [L; 5] {
        each!(k < 5, L::splat(TWO_P_LIFTED[k]).sub(self.0[k]))
    }

    /// The sum with such an `opposite`, as a factor. Limb 4 is below 2^48 + 2^49 and a carry.
    #[inline(always)]
    pub fn plus(&self, opposite: &[L; 5]) -> Loose<L> {
        Loose(rippled(each!(k < 5, self.0[k].add(opposite[k]))))
    }
}

impl<L: Lanes> Wide<L> {
    /// A value in columns 0 to 4, not necessarily carried: limbs below 2^57.
    #[inline(always)]
    pub fn of(limbs: [L; 5]) -> Self {
        let [a, b, c, d, e] = limbs;
        let zero = L::splat(0);
        Self([a, b, c, d, e, zero, zero, zero, zero, zero])
    }

    #[inline(always)]
    pub fn plus(mut self, a: &impl Factor<L>, b: &impl Factor<L>) -> Self {
        let (a, b) = (a.limbs(), b.limbs());
        for i in 0..5 {
            for j in 0..5 {
                self.0[i + j] = self.0[i + j].mad_low(a[i], b[j]);
                self.0[i + j + 1] = self.0[i + j + 1].mad_high(a[i], b[j]);
            }
        }
        self
    }

    /// 2 self + a^2: the mixed products of a square are needed twice, so they are added before self
    /// is doubled.
    #[inline(always)]
    pub fn twice_and_square(mut self, a: &impl Factor<L>) -> Self {
        let a = a.limbs();
        for i in 0..5 {
            for j in i + 1..5 {
                self.0[i + j] = self.0[i + j].mad_low(a[i], a[j]);
                self.0[i + j + 1] = self.0[i + j + 1].mad_high(a[i], a[j]);
            }
        }
        for k in 0..10 {
            self.0[k] = self.0[k].add(self.0[k]);
        }
        for i in 0..5 {
            self.0[2 * i] = self.0[2 * i].mad_low(a[i], a[i]);
            self.0[2 * i + 1] = self.0[2 * i + 1].mad_high(a[i], a[i]);
        }
        self
    }

    /// Adds limbs to columns 0 to 4. They are below 2^57.
    #[inline(always)]
    pub fn plus_limbs(mut self, limbs: &[L; 5]) -> Self {
        for k in 0..5 {
            self.0[k] = self.0[k].add(limbs[k]);
        }
        self
    }

    #[inline(always)]
    pub fn plus_folded(self, value: &Folded<L>) -> Self {
        self.plus_limbs(&value.0)
    }

    /// TIMES (1 to 4) times the value, modulo p, carried.
    #[inline(always)]
    pub fn reduce<const TIMES: u64>(self) -> Field<L> {
        self.fold::<TIMES>().tight()
    }

    /// The same as a factor.
    #[inline(always)]
    pub fn loosely<const TIMES: u64>(self) -> Loose<L> {
        self.fold::<TIMES>().loose()
    }

    /// TIMES the value, not carried.
    ///
    /// Column 5 + k has the weight 2^260 * 2^(52 k), so it is multiplied by 2^260 mod p (37 bits,
    /// 39 with TIMES) and added to column k. An instruction multiplies 52 bits of it; the bits above
    /// (at most 8, as columns of all callers are below 2^60) are multiplied apart, a product below
    /// 2^47, for column k + 1. Column 9 has none: it is below 2^52. What is then above 2^256 (below
    /// 2^13 from column 4, below 2^43 from column 5) is folded by 2^256 mod p. The carries of the
    /// ripple that follows are below 2^9.
    #[inline(always)]
    pub fn fold<const TIMES: u64>(self) -> Folded<L> {
        let c = self.0;
        let fold = L::splat(TIMES * FOLD_260);
        let mut low = [c[0], c[1], c[2], c[3], c[4], L::splat(0)];
        for k in 0..5 {
            low[k] = match TIMES {
                1 => low[k],
                2 => low[k].add(low[k]),
                3 => low[k].add(low[k]).add(low[k]),
                4 => low[k].shl::<2>(),
                _ => unreachable!("no other multiple is needed"),
            };
        }
        for k in 0..5 {
            low[k] = low[k].mad_low(c[k + 5], fold);
            low[k + 1] = low[k + 1].mad_high(c[k + 5], fold);
            if k < 4 {
                low[k + 1] = low[k + 1].mad_low(c[k + 5].shr::<52>(), fold);
            }
        }
        let top = low[4].shr::<48>().add(low[5].shl::<4>());
        let fold = L::splat(FOLD_256);
        Folded([
            low[0].mad_low(top, fold),
            low[1].mad_high(top, fold),
            low[2],
            low[3],
            low[4].and(L::splat(LIMB >> 4)),
        ])
    }
}

/// self^((p + 1) / 4) of each: square roots, where there are any. The exponent has runs of 223, 22
/// and 2 ones; powers with 2^k - 1 ones are made by squaring and multiplying. Several values take
/// turns, because each waits for its own last product.
#[inline(always)]
pub fn roots<L: Lanes, const N: usize>(values: &[Field<L>; N]) -> [Field<L>; N] {
    let mut x = [Field::one().loose(); N];
    for i in 0..N {
        x[i] = values[i].loose();
    }
    let ones2 = then(&squares(x, 1), &x);
    let ones3 = then(&squares(ones2, 1), &x);
    let ones6 = then(&squares(ones3, 3), &ones3);
    let ones9 = then(&squares(ones6, 3), &ones3);
    let ones11 = then(&squares(ones9, 2), &ones2);
    let ones22 = then(&squares(ones11, 11), &ones11);
    let ones44 = then(&squares(ones22, 22), &ones22);
    let ones88 = then(&squares(ones44, 44), &ones44);
    let ones176 = then(&squares(ones88, 88), &ones88);
    let ones220 = then(&squares(ones176, 44), &ones44);
    let ones223 = then(&squares(ones220, 3), &ones3);
    let high = then(&squares(ones223, 23), &ones22);
    let root = squares(then(&squares(high, 6), &ones2), 2);
    let mut out = *values;
    for i in 0..N {
        out[i] = root[i].tight();
    }
    out
}

#[inline(always)]
fn squares<L: Lanes, const N: usize>(mut values: [Loose<L>; N], count: usize) -> [Loose<L>; N] {
    for _ in 0..count {
        for value in &mut values {
            *value = value.square_loosely();
        }
    }
    values
}

#[inline(always)]
fn then<L: Lanes, const N: usize>(a: &[Loose<L>; N], b: &[Loose<L>; N]) -> [Loose<L>; N] {
    let mut out = *a;
    for i in 0..N {
        out[i] = a[i].times_loosely(&b[i]);
    }
    out
}
