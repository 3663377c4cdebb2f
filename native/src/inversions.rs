//! Many inverses modulo p for the price of one: Montgomery's trick, in four chains and eight lanes.
//!
//! Numbers are pushed, up to four at once, all are inverted together, and the inverses are popped in
//! reverse order. The four chains do not wait for each other's products. A zero would spoil the
//! product of all, so then (and only then) each number is looked at: zeros become ones, and their
//! lanes are reported.

use crate::each;
use crate::field::{Factor, Field, Loose};
use crate::inverse::{self, inverse};
use crate::lanes::Lanes;
use crate::limbs::{first_lane, gather};

/// Numbers in eight lanes, which can be multiplied with each other.
pub trait Numbers: Copy {
    fn product(&self, other: &Self) -> Self;
    /// Lane i gets the number of lane i ^ DISTANCE.
    fn exchanged<const DISTANCE: usize>(&self) -> Self;

    /// In each lane the product of all eight, and that of the other seven. Three exchanges of lanes
    /// bring the others in: one, then two, then four.
    #[inline(always)]
    fn products(&self) -> (Self, Self) {
        let one = self.exchanged::<1>();
        let pairs = self.product(&one);
        let two = pairs.exchanged::<2>();
        let fours = pairs.product(&two);
        let four = fours.exchanged::<4>();
        (fours.product(&four), one.product(&two.product(&four)))
    }
}

impl<L: Lanes> Numbers for Loose<L> {
    #[inline(always)]
    fn product(&self, other: &Self) -> Self {
        self.times_loosely(other)
    }
    #[inline(always)]
    fn exchanged<const DISTANCE: usize>(&self) -> Self {
        self.swap::<DISTANCE>()
    }
}

pub struct Inversions<L> {
    numbers: Vec<Loose<L>>,
    /// The product of the numbers before, in the same chain.
    prefixes: Vec<Loose<L>>,
    chains: [Loose<L>; 4],
}

impl<L: Lanes> Inversions<L> {
    #[inline(always)]
    pub fn new() -> Self {
        Self { numbers: Vec::new(), prefixes: Vec::new(), chains: [Field::one().loose(); 4] }
    }

    #[inline(always)]
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.prefixes.clear();
        self.chains = [Field::one().loose(); 4];
    }

    #[inline(always)]
    pub fn push<const N: usize>(&mut self, numbers: [Loose<L>; N]) {
        let at = self.numbers.len();
        let prefixes = each!(i < N, self.chains[(at + i) % 4]);
        self.numbers.extend_from_slice(&numbers);
        self.prefixes.extend_from_slice(&prefixes);
        for i in 0..N {
            self.chains[(at + i) % 4] = prefixes[i].times_loosely(&numbers[i]);
        }
        L::barrier();
    }

    /// Inverts all. `zero(i, lanes)` hears of the numbers that have no inverse.
    #[inline(always)]
    pub fn invert(&mut self, mut zero: impl FnMut(usize, u8)) {
        if self.try_invert() {
            return;
        }
        let numbers = std::mem::take(&mut self.numbers);
        self.clear();
        for (i, number) in numbers.iter().enumerate() {
            let number = number.tight();
            let zeros = number.zeros();
            if zeros != 0 {
                zero(i, zeros);
            }
            self.push([Field::pick(zeros, &Field::one(), &number).loose()]);
        }
        self.try_invert();
    }

    /// Each chain's product becomes its inverse, unless the product of all is zero.
    #[inline(always)]
    fn try_invert(&mut self) -> bool {
        let [a, b, c, d] = self.chains;
        let (ab, cd) = (a.times_loosely(&b), c.times_loosely(&d));
        let (all, others) = ab.times_loosely(&cd).products();
        let total = first_lane(all.tight().canonical());
        if total == [0; 4] {
            return false;
        }
        let total = Field::from_words(gather(&[inverse(total, &inverse::P); 8]));
        let product = total.times_loosely(&others);
        let (ab, cd) = (product.times_loosely(&cd), product.times_loosely(&ab));
        self.chains = [
            ab.times_loosely(&b),
            ab.times_loosely(&a),
            cd.times_loosely(&d),
            cd.times_loosely(&c),
        ];
        true
    }

    /// The inverses of the last numbers, in the order in which these were pushed.
    #[inline(always)]
    pub fn pop<const N: usize>(&mut self) -> [Loose<L>; N] {
        let at = self.numbers.len() - N;
        let chains = each!(i < N, self.chains[(at + i) % 4]);
        let inverses = each!(i < N, chains[i].times_loosely(&self.prefixes[at + i]));
        L::barrier();
        for i in 0..N {
            self.chains[(at + i) % 4] = chains[i].times_loosely(&self.numbers[at + i]);
        }
        L::barrier();
        self.numbers.truncate(at);
        self.prefixes.truncate(at);
        inverses
    }
}
