//! Points of the curve y^2 = x^3 + 7, eight at a time. No formula here looks at the 7.
//!
//! A `Jacobian` point (X, Y, Z) is (X / Z^2, Y / Z^3), and with Z = 0 it is not a point.
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
    pub x: Field<L>,
    pub y: Field<L>,
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
        Self { x: point.x, y: point.y, z: Field::one().loose() }
    }

    /// The opposite of the double. With M = 3X^2 and S = 4XY^2: X3 = M^2 - 2S,
    /// -Y3 = M (X3 - S) + 8Y^4, Z3 = 2YZ. (M^2 - 2S is 2 (2p - S) + M^2.)
    #[inline(always)]
    pub fn minus_double(&self) -> Self {
        let yy = self.y.square_loosely();
        let m = self.x.wide_square().loosely::<3>();
        let s = self.x.wide(&yy).reduce::<4>();
        let x = Wide::of(s.opposite()).twice_and_square(&m).reduce::<1>();
        let y = yy.wide_square().eightfold().plus(&m, &x.less(&s)).reduce::<1>();
        let z = self.y.wide(&self.z).loosely::<2>();
        Self { x, y, z }
    }

    /// The opposite of the sum with a point (x, y), from -x and -y.
    ///
    /// With H = X - x Z^2, R = Y - y Z^3 and V = X H^2: X3 = R^2 + H^3 - 2V,
    /// Y3 = R (X3 - V) + Y H^3, and Z H is -Z3. For equal or opposite points H is 0, and so is Z3; it
    /// then stays 0 whatever is added.
    #[inline(always)]
    pub fn minus_sum(&self, minus_x: &impl Factor<L>, minus_y: &impl Factor<L>) -> Self {
        let zz = self.z.square_loosely();
        let h = Wide::of(self.x.0).plus(minus_x, &zz).loosely::<1>();
        let zzz = self.z.times_loosely(&zz);
        let r = Wide::of(self.y.0).plus(minus_y, &zzz).loosely::<1>();
        let hh = h.square_loosely();
        let hhh = h.times(&hh);
        let v = self.x.times(&hh);
        let square = Wide::of(v.opposite()).twice_and_square(&r);
        let x = square.plus_limbs(&hhh.0).reduce::<1>();
        let y = self.y.wide(&hhh).plus(&r, &x.less(&v)).reduce::<1>();
        let z = self.z.times_loosely(&h);
        Self { x, y, z }
    }

    #[inline(always)]
    pub fn pick(mask: u8, yes: &Self, no: &Self) -> Self {
        Self {
            x: Field::pick(mask, &yes.x, &no.x),
            y: Field::pick(mask, &yes.y, &no.y),
            z: Loose(each!(k < 5, L::pick(mask, yes.z.0[k], no.z.0[k]))),
        }
    }
}
