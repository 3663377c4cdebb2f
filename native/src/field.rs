//! Numbers modulo p = 2^256 - 0x1000003D1, eight at a time.
//!
//! **Invariant.** A `Field` is carried: limbs 0 to 3 are below 2^52 and limb 4 is below 2^48 + 2^9.
//! The value may exceed p; `canonical` brings it into [0, p). The invariant matters because a
//! multiplication instruction drops the bits from 52 up without a word.
//!
//! **Products.** A product is ten columns of weight 2^(52 k), a `Wide`. A column gets at most five
//! low and five high halves, so it stays below 10 * 2^52 < 2^56. Sums and differences of products,
//! and linear terms, are made on columns, before the reduction: that saves their own carrying.
//! A column may grow to 2^62 (the reduction says why).
//!
//! **Differences.** Columns must not become negative. Before something is taken away, a multiple of
//! p is added whose columns are all large enough: `TWO_P` for a `Field`, `LIFT` for a `Wide`.

use crate::each;
use crate::lanes::{LIMB, Lanes, to_limbs, to_words};

/// 2^256 mod p, and 2^260 mod p.
const FOLD_256: u64 = 0x10_0000_3D1;
const FOLD_260: u64 = FOLD_256 << 4;

pub const P: [u64; 5] = [0xF_FFFE_FFFF_FC2F, LIMB, LIMB, LIMB, LIMB >> 4];

/// 2p limb by limb: each limb is at least that of any carried value.
const TWO_P: [u64; 5] = [2 * P[0], 2 * P[1], 2 * P[2], 2 * P[3], 2 * P[4]];

/// A multiple of p whose columns 0 to 8 are in (2^57 - 2^52, 2^57] and whose column 9 is 2^50.
/// It is the sum of 2^57 * 2^(52 k) and 2^50 * 2^468, less that sum's remainder modulo p.
const LIFT: [u64; 10] = [
    (1 << 57) - 0x1_EA80_03AB_CA40,
    (1 << 57) - 0x2_0000_0BA2_20,
    (1 << 57) - 0x2_0000_07A2_20,
    (1 << 57) - 0x2_0000_07A2_20,
    (1 << 57) - 0x2_0000_07A2_20,
    1 << 57,
    1 << 57,
    1 << 57,
    1 << 57,
    1 << 50,
];

#[derive(Clone, Copy)]
pub struct Field<L>(pub [L; 5]);

/// Ten columns, not reduced.
#[derive(Clone, Copy)]
pub struct Wide<L>([L; 10]);

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

    /// The product's columns. Bound: 5 low + 5 high halves, below 10 * 2^52; column 9 below 2^46.
    #[inline(always)]
    pub fn wide(&self, other: &Self) -> Wide<L> {
        let (a, b, zero) = (&self.0, &other.0, L::splat(0));
        let (mut low, mut high) = ([zero; 10], [zero; 10]);
        for i in 0..5 {
            for j in 0..5 {
                low[i + j] = low[i + j].mad_low(a[i], b[j]);
                high[i + j + 1] = high[i + j + 1].mad_high(a[i], b[j]);
            }
        }
        Wide(each!(k < 10, low[k].add(high[k])))
    }

    /// The square's columns: the mixed products once, doubled. The same bound.
    #[inline(always)]
    pub fn wide_square(&self) -> Wide<L> {
        let (a, zero) = (&self.0, L::splat(0));
        let (mut low, mut high) = ([zero; 10], [zero; 10]);
        for i in 0..5 {
            for j in i + 1..5 {
                low[i + j] = low[i + j].mad_low(a[i], a[j]);
                high[i + j + 1] = high[i + j + 1].mad_high(a[i], a[j]);
            }
        }
        let mixed: [L; 10] = each!(k < 10, low[k].add(high[k]));
        let mut columns = each!(k < 10, mixed[k].add(mixed[k]));
        for i in 0..5 {
            columns[2 * i] = columns[2 * i].mad_low(a[i], a[i]);
            columns[2 * i + 1] = columns[2 * i + 1].mad_high(a[i], a[i]);
        }
        Wide(columns)
    }

    #[inline(always)]
    pub fn times(&self, other: &Self) -> Self {
        self.wide(other).reduce()
    }

    #[inline(always)]
    pub fn square(&self) -> Self {
        self.wide_square().reduce()
    }

    #[inline(always)]
    pub fn squares(&self, count: usize) -> Self {
        let mut value = *self;
        for _ in 0..count {
            value = value.square();
        }
        value
    }

    /// self - other, carried. Bound before: limbs below 3 * 2^52.
    #[inline(always)]
    pub fn minus(&self, other: &Self) -> Self {
        Self(each!(k < 5, self.0[k].add(L::splat(TWO_P[k])).sub(other.0[k]))).carried()
    }

    #[inline(always)]
    pub fn negated(&self) -> Self {
        Self(each!(k < 5, L::splat(TWO_P[k]).sub(self.0[k]))).carried()
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
        Self([a, b, c, d, e]).rippled()
    }

    #[inline(always)]
    fn rippled(self) -> Self {
        let mask = L::splat(LIMB);
        let [a, mut b, mut c, mut d, mut e] = self.0;
        b = b.add(a.shr::<52>());
        c = c.add(b.shr::<52>());
        d = d.add(c.shr::<52>());
        e = e.add(d.shr::<52>());
        Self([a.and(mask), b.and(mask), c.and(mask), d.and(mask), e])
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
        let mut more = more.rippled();
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

    #[inline(always)]
    pub fn swap<const DISTANCE: usize>(&self) -> Self {
        Self(each!(k < 5, self.0[k].swap::<DISTANCE>()))
    }

    /// self^((p + 1) / 4): a square root, if there is one. The exponent has runs of 223, 22 and 2
    /// ones; powers with 2^k - 1 ones are made by squaring and multiplying.
    #[inline(always)]
    pub fn root(&self) -> Self {
        let ones2 = self.square().times(self);
        let ones3 = ones2.square().times(self);
        let ones6 = ones3.squares(3).times(&ones3);
        let ones9 = ones6.squares(3).times(&ones3);
        let ones11 = ones9.squares(2).times(&ones2);
        let ones22 = ones11.squares(11).times(&ones11);
        let ones44 = ones22.squares(22).times(&ones22);
        let ones88 = ones44.squares(44).times(&ones44);
        let ones176 = ones88.squares(88).times(&ones88);
        let ones220 = ones176.squares(44).times(&ones44);
        let ones223 = ones220.squares(3).times(&ones3);
        let high = ones223.squares(23).times(&ones22);
        high.squares(6).times(&ones2).squares(2)
    }
}

impl<L: Lanes> Wide<L> {
    #[inline(always)]
    pub fn doubled(self) -> Self {
        Self(each!(k < 10, self.0[k].add(self.0[k])))
    }

    #[inline(always)]
    pub fn tripled(self) -> Self {
        Self(each!(k < 10, self.0[k].add(self.0[k]).add(self.0[k])))
    }

    /// Takes a value away. Adds less than 2^54 to a column.
    #[inline(always)]
    pub fn less(mut self, value: &Field<L>) -> Self {
        for k in 0..5 {
            self.0[k] = self.0[k].add(L::splat(TWO_P[k])).sub(value.0[k]);
        }
        self
    }

    #[inline(always)]
    pub fn less_twice(self, value: &Field<L>) -> Self {
        self.less(value).less(value)
    }

    /// Takes a product away, or twice a product: its columns are below 2 * 10 * 2^52 < 2^57 - 2^52,
    /// and its column 9 is below 2 * 2^46. Adds at most 2^57 to a column.
    #[inline(always)]
    pub fn less_wide(self, other: Self) -> Self {
        Self(each!(k < 10, self.0[k].add(L::splat(LIFT[k])).sub(other.0[k])))
    }

    /// The value modulo p, carried.
    ///
    /// Column 5 + k has the weight 2^260 * 2^(52 k), so it is multiplied by 2^260 mod p (37 bits)
    /// and added to column k. An instruction multiplies 52 bits of it; the bits above (at most 10,
    /// as columns are below 2^62) are multiplied apart, a product below 2^47, for column k + 1.
    /// Columns then stay below 2^62 + 2^54. What is above 2^256 (below 2^15 from column 4, below
    /// 2^40 from column 5, since column 9 is below 2^52) is folded by 2^256 mod p, and one ripple
    /// of carries below 2^9 (columns of all callers are below 2^60) follows.
    #[inline(always)]
    pub fn reduce(self) -> Field<L> {
        let c = self.0;
        let fold = L::splat(FOLD_260);
        let zero = L::splat(0);
        let mut low = [c[0], c[1], c[2], c[3], c[4]];
        let mut high = [zero; 6];
        for k in 0..5 {
            low[k] = low[k].mad_low(c[k + 5], fold);
            high[k + 1] = high[k + 1].mad_high(c[k + 5], fold);
            if k < 4 {
                low[k + 1] = low[k + 1].mad_low(c[k + 5].shr::<52>(), fold);
            }
        }
        let fourth = low[4].add(high[4]);
        let top = fourth.shr::<48>().add(high[5].shl::<4>());
        let fold = L::splat(FOLD_256);
        Field([
            low[0].mad_low(top, fold),
            low[1].add(high[1]).mad_high(top, fold),
            low[2].add(high[2]),
            low[3].add(high[3]),
            fourth.and(L::splat(LIMB >> 4)),
        ])
        .rippled()
    }
}
