//! Points of the curve y^2 = x^3 + 7, eight at a time. No formula here looks at the 7.
//!
//! A `Jacobian` point (X, Y, Z) is (X / Z^2, Y / Z^3), and with Z = 0 it is not a point.

use crate::each;
use crate::field::Field;
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
    pub z: Field<L>,
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
        Self { x: self.x, y: Field::pick(mask, &self.y.negated(), &self.y) }
    }

    /// What must be inverted to add two points: x2 - x1, or 2y to double one.
    #[inline(always)]
    pub fn denominator(&self, other: &Self, double: bool) -> Field<L> {
        if double { self.y.plus(&self.y) } else { other.x.minus(&self.x) }
    }

    /// The sum, from the denominator's inverse: the line through both, or the tangent, has the
    /// slope m, and x3 = m^2 - x1 - x2, y3 = m (x1 - x3) - y1.
    #[inline(always)]
    pub fn sum(&self, other: &Self, double: bool, inverse: &Field<L>) -> Self {
        let numerator =
            if double { self.x.wide_square().tripled().reduce() } else { other.y.minus(&self.y) };
        let slope = numerator.times(inverse);
        let x = slope.wide_square().less(&self.x).less(&other.x).reduce();
        let y = slope.wide(&self.x.minus(&x)).less(&self.y).reduce();
        Self { x, y }
    }
}

impl<L: Lanes> Jacobian<L> {
    #[inline(always)]
    pub fn from_point(point: &Point<L>) -> Self {
        Self { x: point.x, y: point.y, z: Field::one() }
    }

    /// With M = 3X^2 and S = 4XY^2: X3 = M^2 - 2S, Y3 = M (S - X3) - 8Y^4, Z3 = 2YZ.
    #[inline(always)]
    pub fn doubled(&self) -> Self {
        let yy = self.y.wide_square().doubled().reduce();
        let m = self.x.wide_square().tripled().reduce();
        let s = self.x.wide(&yy).doubled().reduce();
        let x = m.wide_square().less_twice(&s).reduce();
        let y = m.wide(&s.minus(&x)).less_wide(yy.wide_square().doubled()).reduce();
        let z = self.y.wide(&self.z).doubled().reduce();
        Self { x, y, z }
    }

    /// With H = x Z^2 - X and R = y Z^3 - Y and V = X H^2: X3 = R^2 - H^3 - 2V,
    /// Y3 = R (V - X3) - Y H^3, Z3 = Z H. For equal or opposite points H is 0, and so is Z3; it then
    /// stays 0 whatever is added.
    #[inline(always)]
    pub fn plus(&self, point: &Point<L>) -> Self {
        let zz = self.z.square();
        let h = point.x.wide(&zz).less(&self.x).reduce();
        let zzz = self.z.times(&zz);
        let r = point.y.wide(&zzz).less(&self.y).reduce();
        let hh = h.square();
        let hhh = h.times(&hh);
        let v = self.x.times(&hh);
        let x = r.wide_square().less(&hhh).less_twice(&v).reduce();
        let y = r.wide(&v.minus(&x)).less_wide(self.y.wide(&hhh)).reduce();
        let z = self.z.times(&h);
        Self { x, y, z }
    }

    #[inline(always)]
    pub fn pick(mask: u8, yes: &Self, no: &Self) -> Self {
        Self {
            x: Field::pick(mask, &yes.x, &no.x),
            y: Field::pick(mask, &yes.y, &no.y),
            z: Field::pick(mask, &yes.z, &no.z),
        }
    }
}
