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

    /// The sum, from the denominator's inverse: the line through both, or the tangent, has the
    /// slope m, and x3 = m^2 - x1 - x2, y3 = m (x1 - x3) - y1.
    #[inline(always)]
    pub fn sum(&self, other: &Self, double: bool, inverse: &Loose<L>) -> Self {
        let numerator =
            if double { self.x.wide_square().loosely::<3>() } else { other.y.less(&self.y) };
        let slope = numerator.times_loosely(inverse);
        let square = slope.wide_square();
        let x = square.plus_limbs(&self.x.opposite()).plus_limbs(&other.x.opposite()).reduce::<1>();
        let y = Wide::of(self.y.opposite()).plus(&slope, &self.x.less(&x)).reduce::<1>();
        Self { x, y }
    }
}

impl<L: Lanes> Jacobian<L> {
    #[inline(always)]
    pub fn from_point(point: &Point<L>) -> Self {
        let z = Field::one().loose();
        Self { x: point.x.loose(), y: point.y.plus(&point.y).loose(), z }
    }

    /// The opposite of the double. With M = 3X^2 and S = X Y^2: X3 = M^2 - 2S,
    /// -Y3 = 2M (X3 - S) + Y^4, Z3 = YZ. (M^2 - 2S is 2 (2p - S) + M^2.)
    #[inline(always)]
    pub fn minus_double(&self) -> Self {
        let yy = self.y.square_loosely();
        let m = self.x.wide_square().loosely::<3>();
        let minus_s = self.x.wide(&yy).fold::<1>().opposite();
        let x = Wide::of(minus_s).twice_and_square(&m).fold::<1>();
        let y = m.wide(&x.plus(&minus_s)).twice_and_square(&yy).loosely::<1>();
        Self { x: x.loose(), y, z: self.y.times_loosely(&self.z) }
    }

    /// The opposite of the sum with a point (x, y), from -x and -2y. With TIMES = 1 it has the
    /// plain Y, as Jacobian coordinates have it, else (TIMES = 2) twice that.
    ///
    /// With H = X - x Z^2, R = Y - 2y Z^3, V = 4 X H^2 and J = 4 H^3: X3 = R^2 + J - 2V, half of Y3
    /// is R (X3 - V) + Y J, and 2 Z H is -Z3. For equal or opposite points H is 0, and so is Z3; it
    /// then stays 0 whatever is added.
    #[inline(always)]
    pub fn minus_sum<const TIMES: u64>(
        &self,
        minus_x: &impl Factor<L>,
        minus_two_y: &impl Factor<L>,
    ) -> Self {
        let zz = self.z.square_loosely();
        let h = Wide::of(self.x.limbs_to_add()).plus(minus_x, &zz).loosely::<1>();
        let zzz = self.z.times_loosely(&zz);
        let r = Wide::of(self.y.limbs_to_add()).plus(minus_two_y, &zzz).loosely::<1>();
        let hh = h.wide_square().loosely::<4>();
        let j = h.wide(&hh).fold::<1>();
        let minus_v = self.x.wide(&hh).fold::<1>().opposite();
        let x = Wide::of(minus_v).twice_and_square(&r).plus_folded(&j).fold::<1>();
        let y = self.y.wide(&j.loose()).plus(&r, &x.plus(&minus_v)).loosely::<TIMES>();
        Self { x: x.loose(), y, z: self.z.wide(&h).loosely::<2>() }
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
