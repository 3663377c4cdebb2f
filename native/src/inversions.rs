//! Many inverses modulo p for the price of one: Montgomery's trick, in four chains and eight lanes.
//!
//! Numbers are pushed, all are inverted together, and the inverses are popped in reverse order. The
//! four chains do not wait for each other's products. A zero would spoil the product of all, so
//! then (and only then) each number is looked at: zeros become ones, and their lanes are reported.

use crate::field::Field;
use crate::inverse::{self, inverse};
use crate::lanes::{Lanes, gather};

pub struct Inversions<L> {
    numbers: Vec<Field<L>>,
    /// The product of the numbers before, in the same chain.
    prefixes: Vec<Field<L>>,
    chains: [Field<L>; 4],
}

impl<L: Lanes> Inversions<L> {
    #[inline(always)]
    pub fn new() -> Self {
        Self { numbers: Vec::new(), prefixes: Vec::new(), chains: [Field::one(); 4] }
    }

    #[inline(always)]
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.prefixes.clear();
        self.chains = [Field::one(); 4];
    }

    #[inline(always)]
    pub fn push(&mut self, number: Field<L>) {
        let chain = &mut self.chains[self.numbers.len() % 4];
        self.numbers.push(number);
        self.prefixes.push(*chain);
        *chain = chain.times(&number);
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
            let zeros = number.zeros();
            if zeros != 0 {
                zero(i, zeros);
            }
            self.push(Field::pick(zeros, &Field::one(), number));
        }
        self.try_invert();
    }

    /// Each chain's product becomes its inverse, unless the product of all is zero.
    #[inline(always)]
    fn try_invert(&mut self) -> bool {
        let [a, b, c, d] = self.chains;
        let (ab, cd) = (a.times(&b), c.times(&d));
        let product = ab.times(&cd);
        let one = product.swap::<1>();
        let two = product.times(&one);
        let other_two = two.swap::<2>();
        let four = two.times(&other_two);
        let other_four = four.swap::<4>();
        let all = four.times(&other_four).canonical();
        let mut total = [0; 4];
        for k in 0..4 {
            total[k] = all[k].store()[0];
        }
        if total == [0; 4] {
            return false;
        }
        let total = Field::from_words(gather(&[inverse(total, &inverse::P); 8]));
        let product = total.times(&one.times(&other_two.times(&other_four)));
        let (ab, cd) = (product.times(&cd), product.times(&ab));
        self.chains = [ab.times(&b), ab.times(&a), cd.times(&d), cd.times(&c)];
        true
    }

    /// The inverse of the last number.
    #[inline(always)]
    pub fn pop(&mut self) -> Field<L> {
        let number = self.numbers.pop().expect("as many pops as pushes");
        let prefix = self.prefixes.pop().expect("as many pops as pushes");
        let chain = &mut self.chains[self.numbers.len() % 4];
        let inverse = chain.times(&prefix);
        *chain = chain.times(&number);
        inverse
    }
}
