//! Many inverses modulo p for the price of one: Montgomery's trick, in four chains and eight lanes.
//!
//! Numbers are pushed, all are inverted together, and the inverses are popped in reverse order. The
//! four chains do not wait for each other's products. A zero would spoil the product of all, so
//! then (and only then) each number is looked at: zeros become ones, and their lanes are reported.

use crate::field::{Factor, Field, Loose};
use crate::inverse::{self, inverse};
use crate::lanes::Lanes;
use crate::limbs::{first_lane, gather};

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
    pub fn push(&mut self, number: Loose<L>) {
        let chain = &mut self.chains[self.numbers.len() % 4];
        self.numbers.push(number);
        self.prefixes.push(*chain);
        *chain = chain.times_loosely(&number);
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
            self.push(Field::pick(zeros, &Field::one(), &number).loose());
        }
        self.try_invert();
    }

    /// Each chain's product becomes its inverse, unless the product of all is zero.
    #[inline(always)]
    fn try_invert(&mut self) -> bool {
        let [a, b, c, d] = self.chains;
        let (ab, cd) = (a.times_loosely(&b), c.times_loosely(&d));
        let product = ab.times_loosely(&cd);
        let one = product.swap::<1>();
        let two = product.times_loosely(&one);
        let other_two = two.swap::<2>();
        let four = two.times_loosely(&other_two);
        let other_four = four.swap::<4>();
        let all = four.times(&other_four).canonical();
        let total = first_lane(all);
        if total == [0; 4] {
            return false;
        }
        let total = Field::from_words(gather(&[inverse(total, &inverse::P); 8]));
        let product =
            total.times_loosely(&one.times_loosely(&other_two.times_loosely(&other_four)));
        let (ab, cd) = (product.times_loosely(&cd), product.times_loosely(&ab));
        self.chains = [
            ab.times_loosely(&b),
            ab.times_loosely(&a),
            cd.times_loosely(&d),
            cd.times_loosely(&c),
        ];
        true
    }

    /// The inverse of the last number.
    #[inline(always)]
    pub fn pop(&mut self) -> Loose<L> {
        let number = self.numbers.pop().expect("as many pops as pushes");
        let prefix = self.prefixes.pop().expect("as many pops as pushes");
        let chain = &mut self.chains[self.numbers.len() % 4];
        let inverse = chain.times_loosely(&prefix);
        *chain = chain.times_loosely(&number);
        inverse
    }
}
