//! Points of the curve y^2 = x^3 + 7, eight at a time. No formula here looks at the 7.
//!
//! A `Jacobian` point (X, Y, Z) is (X / Z^2, Y / 2 Z^3), and with Z = 0 it is not a point. The two
//! spares the double its multiplications by 2, 4 and 8.
//!
//! Its formulas give the *opposite* of the double and of the sum. Then every product in them is
//! added and none taken away. Who uses them keeps count of the signs, a bit for each lane, and
//! chooses the sign of the next point accordingly.

use crate::each;
use crate::field::{Factor, Field, Loose, Wide};
use crate::lanes::Lanes;

#[derive(Clone, Copy)]
pub struct Point<L> {
    pub x: Field<L>,
    pub y: Field<L>,
}

#[derive(Clone, Copy)]
pub struct Jacobian<L> {
    pub x: Loose<L>,
    pub y: Loose<L>,
    pub z: Loose<L>,
}

/// x and y of a point in eight words: a row of a table.
pub type Row = [u64; 8];

impl<L: Lanes> Point<L> {
    #[inline(always)]
    pub fn one() -> Self {
        Self { x: Field::one(), y: Field::one() }
    }

    /// A row for each lane.
    #[inline(always)]
    pub fn load(rows: [&Row; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = L::transpose(each!(lane < 8, L::load(rows[lane])));
        Self { x: Field::from_words([a, b, c, d]), y: Field::from_words([e, f, g, h]) }
    }

    /// The points whose bit is set, negated.
    #[inline(always)]
    pub fn negated_where(&self, mask: u8) -> Self {
        Self { x: self.x, y: self.y.negated_where(mask).tight() }
    }

    /// What must be inverted to add two points: x2 - x1, or 2y to double one.
    #[inline(always)]
    pub fn denominator(&self, other: &Self, double: bool) -> Loose<L> {
        if double { self.y.plus(&self.y).loose() } else { other.x.less(&self.x) }
    }

    /// The sums, from the denominators' inverses: the line through both, or the tangent, has the
    /// slope m, and x3 = m^2 - x1 - x2, y3 = m (x1 - x3) - y1. The steps are taken in turns, as in
    /// `Jacobian::minus_doubles`.
    #[inline(always)]
    pub fn sums<const N: usize>(
        a: &[Self; N],
        b: &[Self; N],
        double: [bool; N],
        inverses: &[Loose<L>; N],
    ) -> [Self; N] {
        let numerators = each!(
            i < N,
            if double[i] { a[i].x.wide_square().loosely::<3>() } else { b[i].y.less(&a[i].y) }
        );
        L::barrier();
        let slopes = each!(i < N, numerators[i].times_loosely(&inverses[i]));
        L::barrier();
        let x = each!(
            i < N,
            slopes[i]
                .wide_square()
                .plus_limbs(&a[i].x.opposite())
                .plus_limbs(&b[i].x.opposite())
                .reduce::<1>()
        );
        L::barrier();
        let y = each!(
            i < N,
            Wide::of(a[i].y.opposite()).plus(&slopes[i], &a[i].x.less(&x[i])).reduce::<1>()
        );
        L::barrier();
        each!(i < N, Self { x: x[i], y: y[i] })
    }
}

impl<L: Lanes> Jacobian<L> {
    #[inline(always)]
    pub fn from_point(point: &Point<L>) -> Self {
        let z = Field::one().loose();
        Self { x: point.x.loose(), y: point.y.plus(&point.y).loose(), z }
    }

    /// The opposites of the doubles. With M = 3X^2 and S = X Y^2: X3 = M^2 - 2S,
    /// -Y3 = 2M (X3 - S) + Y^4, Z3 = YZ. (M^2 - 2S is 2 (2p - S) + M^2.)
    ///
    /// All points go through a step before any goes through the next, and the compiler must leave
    /// it so: within one point, too many steps wait for the one before.
    #[inline(always)]
    pub fn minus_doubles<const N: usize>(points: &[Self; N]) -> [Self; N] {
        let m = each!(i < N, points[i].x.wide_square().loosely::<3>());
        L::barrier();
        let yy = each!(i < N, points[i].y.square_loosely());
        L::barrier();
        let minus_s = each!(i < N, points[i].x.wide(&yy[i]).fold::<1>().opposite());
        L::barrier();
        let x = each!(i < N, Wide::of(minus_s[i]).twice_and_square(&m[i]).fold::<1>());
        L::barrier();
        let z = each!(i < N, points[i].y.times_loosely(&points[i].z));
        L::barrier();
        let y = each!(
            i < N,
            m[i].wide(&x[i].plus(&minus_s[i])).twice_and_square(&yy[i]).loosely::<1>()
        );
        L::barrier();
        each!(i < N, Self { x: x[i].loose(), y: y[i], z: z[i] })
    }

    /// The opposites of the sums with points (x, y), from -x and -2y. With TIMES = 1 they have the
    /// plain Y, as Jacobian coordinates have it, else (TIMES = 2) twice that.
    ///
    /// With H = X - x Z^2, R = Y - 2y Z^3, V = 4 X H^2 and J = 4 H^3: X3 = R^2 + J - 2V, half of Y3
    /// is R (X3 - V) + Y J, and 2 Z H is -Z3. For equal or opposite points H is 0, and so is Z3; it
    /// then stays 0 whatever is added.
    ///
    /// The steps are taken in turns, as in `minus_doubles`.
    #[inline(always)]
    pub fn minus_sums<const TIMES: u64, const N: usize>(
        sums: &[Self; N],
        minus_x: &[Field<L>; N],
        minus_two_y: &[Loose<L>; N],
    ) -> [Self; N] {
        let zz = each!(i < N, sums[i].z.square_loosely());
        L::barrier();
        let h = each!(
            i < N,
            Wide::of(sums[i].x.limbs_to_add()).plus(&minus_x[i], &zz[i]).loosely::<1>()
        );
        L::barrier();
        let zzz = each!(i < N, sums[i].z.times_loosely(&zz[i]));
        L::barrier();
        let hh = each!(i < N, h[i].wide_square().loosely::<4>());
        L::barrier();
        let r = each!(
            i < N,
            Wide::of(sums[i].y.limbs_to_add()).plus(&minus_two_y[i], &zzz[i]).loosely::<1>()
        );
        L::barrier();
        let minus_v = each!(i < N, sums[i].x.wide(&hh[i]).fold::<1>().opposite());
        L::barrier();
        let j = each!(i < N, h[i].wide(&hh[i]).fold::<1>());
        L::barrier();
        let x = each!(
            i < N,
            Wide::of(minus_v[i]).twice_and_square(&r[i]).plus_folded(&j[i]).fold::<1>()
        );
        L::barrier();
        let z = each!(i < N, sums[i].z.wide(&h[i]).loosely::<2>());
        L::barrier();
        let y = each!(
            i < N,
            sums[i].y.wide(&j[i].loose()).plus(&r[i], &x[i].plus(&minus_v[i])).loosely::<TIMES>()
        );
        each!(i < N, Self { x: x[i].loose(), y: y[i], z: z[i] })
    }

    #[inline(always)]
    pub fn pick(mask: u8, yes: &Self, no: &Self) -> Self {
        Self {
            x: Loose::pick(mask, &yes.x, &no.x),
            y: Loose::pick(mask, &yes.y, &no.y),
            z: Loose::pick(mask, &yes.z, &no.z),
        }
    }
}
