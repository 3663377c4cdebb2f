//! Up to 128 signatures at once: Q = u1 G + u2 R with u1 = -z/r, u2 = s/r, for each.
//!
//! R has the coordinate x = r, and y by a square root. u2 is written in 43 digits (`digits.rs`), each
//! of which selects one of 33 rows of a table of R; u1 selects a point for each of 32 bytes from the
//! comb of G (`tables.rs`). The 32 points are summed in pairs, five rounds, and the rounds' inversions
//! are shared with those that make the table of R, over all signatures.
//!
//! **Exceptions.** The formulas do not hold for equal or opposite points. In the rounds such points
//! give a zero denominator, which `Inversions` reports. In the loop they give Z = 0, which stays to the
//! end, where Z is inverted. Such lanes are flagged and go to libsecp256k1. The loop starts at a
//! fixed multiple of G, START, instead of at infinity, and the comb takes START * 2^126 away again.

use std::array;

use crate::digits::{self, CLASSES, COUNT, NEGATIVE, NONZERO};
use crate::each;
use crate::field::{Factor, Field, roots};
use crate::inversions::Inversions;
use crate::keccak;
use crate::lanes::{Lanes, Phase};
use crate::limbs::gather;
use crate::points::{Jacobian, Point, Row};
use crate::scalar::{self, START, Scalar};
use crate::tables::{Comb, POSITIONS, comb};

/// The most signatures of a run: their tables and points stay in the second cache.
pub const CHUNK: usize = 128;
/// How many groups' square roots take turns.
const ROOTS: usize = 4;

const BETA: [u64; 5] =
    [0x96C28719501EE, 0x7512F58995C13, 0xC3434E99CF049, 0x7106E64479EA, 0x7AE96A2B657C];

/// n, as words.
const ORDER: [u64; 4] =
    [0xBFD2_5E8C_D036_4141, 0xBAAE_DCE6_AF48_A03B, 0xFFFF_FFFF_FFFF_FFFE, 0xFFFF_FFFF_FFFF_FFFF];

/// Signatures in columns: 32 bytes each of digest, r and s, and one of v.
#[derive(Clone, Copy)]
pub struct Signatures<'a> {
    pub digests: &'a [u8],
    pub rs: &'a [u8],
    pub ss: &'a [u8],
    pub vs: &'a [u8],
}

impl<'a> Signatures<'a> {
    pub fn len(&self) -> usize {
        self.vs.len()
    }

    pub fn slice(&self, from: usize, to: usize) -> Self {
        let words = |column: &'a [u8]| &column[32 * from..32 * to];
        Self {
            digests: words(self.digests),
            rs: words(self.rs),
            ss: words(self.ss),
            vs: &self.vs[from..to],
        }
    }
}

pub type Address = [u8; 20];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Address(Address),
    /// What ecrecover returns nothing for.
    Nothing,
    /// Exceptional: libsecp256k1 must say.
    Flagged,
}

impl Answer {
    pub fn address(self) -> Option<Address> {
        match self {
            Self::Address(address) => Some(address),
            Self::Nothing | Self::Flagged => None,
        }
    }
}

// The slots of a group's points: the comb's 32, the classes' 11, and two more of R.
const R: usize = POSITIONS;
const TWO_R: usize = POSITIONS + 2;
const MINUS_WR: usize = POSITIONS + CLASSES.len();
const MINUS_TWO_WR: usize = MINUS_WR + 1;
const SLOTS: usize = MINUS_WR + 2;

/// slot `to` = slot `a` + slot `b`.
#[derive(Clone, Copy)]
struct Step {
    to: usize,
    a: usize,
    b: usize,
}

const fn class(to: usize, a: usize, b: usize) -> Step {
    Step { to: R + to, a, b }
}

/// How the classes come from others, by round: 2 and 1-w, then seven, then 3-2w.
const CLASS_STEPS: [&[Step]; ROUNDS] = [
    &[class(2, R, R), class(1, R, MINUS_WR)],
    &[
        class(3, TWO_R, MINUS_WR),
        class(4, R, MINUS_TWO_WR),
        class(5, TWO_R, R),
        class(6, TWO_R, MINUS_TWO_WR),
        class(7, TWO_R, R + 1),
        class(8, R + 1, MINUS_TWO_WR),
        class(9, TWO_R, TWO_R),
    ],
    &[class(10, R + 5, MINUS_TWO_WR)],
    &[],
    &[],
];

/// The comb's points are summed in pairs, so often.
const ROUNDS: usize = POSITIONS.ilog2() as usize;

/// One digit of eight signatures: rows of the tables of R, and a bit for each lane.
#[derive(Clone, Copy, Default)]
struct Digit {
    rows: [u8; 8],
    negative: u8,
    nonzero: u8,
}

impl Digit {
    /// (-x, 2y) of the digit's class and power of w.
    #[inline(always)]
    fn row<L: Lanes>(&self, tables: &[Table; 8]) -> Point<L> {
        Point::load(array::from_fn(|lane| &tables[lane][usize::from(self.rows[lane])]))
    }
}

struct Group<L> {
    z: Scalar<L>,
    s: Scalar<L>,
    /// Lanes without a signature, or with one for which there is no address.
    nothing: u8,
    flagged: u8,
    /// Lanes whose y is odd.
    odd: u8,
    digits: [Digit; COUNT],
    points: [Point<L>; SLOTS],
    sum: Jacobian<L>,
    /// Lanes where the opposite of the sum is kept.
    opposite: u8,
    addresses: [[u64; 8]; 3],
}

type Table = [Row; 3 * CLASSES.len()];

/// What a thread needs; kept from run to run.
pub struct Engine<L> {
    groups: Vec<Group<L>>,
    tables: Vec<[Table; 8]>,
    rs: Vec<Scalar<L>>,
    prefixes: Vec<Scalar<L>>,
    inversions: Inversions<L>,
}

/// What the phases of a run do.
pub const STEPS: [&str; 5] = [
    "reading, and the square root for y",
    "scalars, digits, points of the comb of G",
    "sums of the comb, tables of R, five shared inversions",
    "the loop over R: 126 doublings, 43 mixed additions",
    "the last inversion, keccak-256",
];

struct Run<'a, L> {
    engine: &'a mut Engine<L>,
    comb: &'a Comb,
    signatures: Signatures<'a>,
    /// How many groups of eight.
    count: usize,
}

impl<L: Lanes> Engine<L> {
    pub fn new() -> Self {
        Self {
            groups: Vec::new(),
            tables: Vec::new(),
            rs: Vec::new(),
            prefixes: Vec::new(),
            inversions: Inversions::new(),
        }
    }

    /// The answers for 1 to 128 signatures.
    pub fn run(&mut self, signatures: Signatures<'_>, answers: &mut [Answer]) {
        self.run_in_steps(signatures, answers, |_| ());
    }

    /// The same. `done(i)` hears when the phase STEPS[i] is over.
    pub fn run_in_steps(
        &mut self,
        signatures: Signatures<'_>,
        answers: &mut [Answer],
        mut done: impl FnMut(usize),
    ) {
        assert!((1..=CHUNK).contains(&signatures.len()) && answers.len() == signatures.len());
        let count = signatures.len().div_ceil(8);
        let mut run = Run { engine: self, comb: comb(), signatures, count };
        L::run::<_, Read>(&mut run);
        done(0);
        L::run::<_, Scalars>(&mut run);
        done(1);
        L::run::<_, Rounds>(&mut run);
        done(2);
        L::run::<_, Walk>(&mut run);
        done(3);
        L::run::<_, Finish>(&mut run);
        done(4);
        for (i, answer) in answers.iter_mut().enumerate() {
            let (group, lane) = (&self.groups[i / 8], i % 8);
            let set = |mask: u8| mask >> lane & 1 == 1;
            *answer = match () {
                () if set(group.nothing) => Answer::Nothing,
                () if set(group.flagged) => Answer::Flagged,
                () => Answer::Address(address(group.addresses.map(|words| words[lane]))),
            };
        }
    }
}

/// The last 20 bytes of words 1 to 3 of a digest.
fn address(words: [u64; 3]) -> Address {
    let mut bytes = [0; 24];
    for (i, word) in words.into_iter().enumerate() {
        bytes[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes[4..].try_into().expect("twenty bytes")
}

fn words(bytes: &[u8]) -> [u64; 4] {
    std::array::from_fn(|i| {
        let at = 8 * (3 - i);
        u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    })
}

fn usable(number: &[u64; 4]) -> bool {
    *number != [0; 4] && number.iter().rev().lt(ORDER.iter().rev())
}

/// Reads the signatures and finds y. Lanes without a usable one get START * G, and z = s = 1.
struct Read;

impl<L: Lanes> Phase<Run<'_, L>> for Read {
    #[inline(always)]
    fn run(work: &mut Run<'_, L>) {
        let Run { engine, comb, signatures, count } = work;
        engine.rs.clear();
        if engine.groups.len() < *count {
            engine.groups.resize_with(*count, || Group {
                z: Scalar::constant([0; 5]),
                s: Scalar::constant([0; 5]),
                nothing: 0,
                flagged: 0,
                odd: 0,
                opposite: 0,
                digits: [Digit::default(); COUNT],
                points: [Point::one(); SLOTS],
                sum: Jacobian::from_point(&Point::one()),
                addresses: [[0; 8]; 3],
            });
            engine.tables.resize(*count, [[[0; 8]; 3 * CLASSES.len()]; 8]);
        }
        for (g, group) in engine.groups[..*count].iter_mut().enumerate() {
            let start: [u64; 4] = std::array::from_fn(|k| comb.start[k]);
            let (mut zs, mut rs, mut ss) = ([[1, 0, 0, 0]; 8], [start; 8], [[1, 0, 0, 0]; 8]);
            let (mut nothing, mut odd) = (0, 0);
            for lane in 0..8 {
                let i = 8 * g + lane;
                let word = |column: &[u8]| words(&column[32 * i..32 * i + 32]);
                if i < signatures.len() && signatures.vs[i] < 2 {
                    let (r, s) = (word(signatures.rs), word(signatures.ss));
                    if usable(&r) && usable(&s) {
                        (zs[lane], rs[lane], ss[lane]) = (word(signatures.digests), r, s);
                        odd |= signatures.vs[i] << lane;
                        continue;
                    }
                }
                nothing |= 1 << lane;
            }
            group.flagged = 0;
            group.z = Scalar::from_words(gather(&zs));
            group.s = Scalar::from_words(gather(&ss));
            let r = gather(&rs);
            engine.rs.push(Scalar::from_words(r).in_form());

            group.points[R].x = Field::from_words(r);
            (group.nothing, group.odd) = (nothing, odd);
        }
        for groups in engine.groups[..*count].chunks_mut(ROOTS) {
            let mut right = [Field::one(); ROOTS];
            for (right, group) in right.iter_mut().zip(groups.iter()) {
                let x = group.points[R].x;
                let mut cube = x.square().times(&x);
                cube.0[0] = cube.0[0].add(L::splat(7));
                *right = cube.plus(&Field::constant([0; 5]));
            }
            let ys = roots(&right);
            for ((group, y), right) in groups.iter_mut().zip(&ys).zip(&right) {
                group.nothing |= !y.square().minus(right).zeros();
                let parity = !y.canonical()[0].and(L::splat(1)).zeros();
                group.points[R].y = y.negated_where(parity ^ group.odd).tight();
            }
        }
    }
}

/// u1 and u2, their digits, and the points of the comb.
struct Scalars;

impl<L: Lanes> Phase<Run<'_, L>> for Scalars {
    #[inline(always)]
    fn run(work: &mut Run<'_, L>) {
        let Run { engine, comb, count, .. } = work;
        scalar::invert_all(&mut engine.rs, &mut engine.prefixes);
        for (group, inverse_of_r) in engine.groups[..*count].iter_mut().zip(&engine.rs) {
            let (a, b) = digits::split(&inverse_of_r.times(&group.s));
            let mut codes = [L::splat(0); COUNT];
            group.flagged |= digits::digits(a, b, &mut codes);
            for (digit, code) in group.digits.iter_mut().zip(codes.iter()) {
                *digit = Digit {
                    rows: code.and(L::splat(digits::ROW.into())).store().map(|row| row as u8),
                    negative: !code.and(L::splat(NEGATIVE.into())).zeros(),
                    nonzero: !code.and(L::splat(NONZERO.into())).zeros(),
                };
            }
            let [a, b, c, d] = Scalar::comb_bits(&group.z, inverse_of_r);
            let bits = [a.store(), b.store(), c.store(), d.store()];
            for i in 0..POSITIONS {
                let bytes = bits[i / 8].map(|word| (word >> (8 * (i % 8))) as u8);
                let rows = &comb.rows[i];
                // 2 * byte - 255 is 2 (byte - 128) + 1, or -(2 (127 - byte) + 1).
                let row =
                    |byte: u8| &rows[usize::from(if byte < 128 { 127 - byte } else { byte - 128 })];
                let negative =
                    (0..8).fold(0, |mask, lane| mask | u8::from(bytes[lane] < 128) << lane);
                group.points[i] = Point::load(bytes.map(row)).negated_where(negative);
            }
        }
    }
}

/// What each group sums in a round: so many pairs of the comb, and then classes.
struct Steps {
    round: usize,
    comb: usize,
}

impl Steps {
    fn count(&self) -> usize {
        self.comb + CLASS_STEPS[self.round].len()
    }

    /// Of step i of all groups' steps: the group, and its step.
    #[inline(always)]
    fn at(&self, i: usize) -> (usize, Step) {
        let (group, i) = (i / self.count(), i % self.count());
        let comb = Step { to: i, a: i, b: i + self.comb };
        (group, if i < self.comb { comb } else { CLASS_STEPS[self.round][i - self.comb] })
    }

    /// Asks for the inverses that N steps from the i-th need.
    #[inline(always)]
    fn push<L: Lanes, const N: usize>(
        &self,
        groups: &[Group<L>],
        inversions: &mut Inversions<L>,
        i: usize,
    ) {
        inversions.push::<N>(each!(k < N, {
            let (group, Step { a, b, .. }) = self.at(i + k);
            let points = &groups[group].points;
            points[a].denominator(&points[b], a == b)
        }));
    }

    /// Takes the steps.
    #[inline(always)]
    fn take<L: Lanes, const N: usize>(
        &self,
        groups: &mut [Group<L>],
        inversions: &mut Inversions<L>,
        i: usize,
    ) {
        let steps: [(usize, Step); N] = each!(k < N, self.at(i + k));
        let inverses = inversions.pop();
        let a = each!(k < N, groups[steps[k].0].points[steps[k].1.a]);
        let b = each!(k < N, groups[steps[k].0].points[steps[k].1.b]);
        let double = each!(k < N, steps[k].1.a == steps[k].1.b);
        let sums = Point::sums(&a, &b, double, &inverses);
        for k in 0..N {
            groups[steps[k].0].points[steps[k].1.to] = sums[k];
        }
    }
}

/// The comb's points summed in pairs, and the table of R.
struct Rounds;

#[inline(always)]
fn times_w<L: Lanes>(point: &Point<L>) -> Field<L> {
    point.x.times(&Field::constant(BETA))
}

impl<L: Lanes> Phase<Run<'_, L>> for Rounds {
    #[inline(always)]
    fn run(work: &mut Run<'_, L>) {
        let Run { engine, count, .. } = work;
        let Engine { groups, tables, inversions, .. } = &mut **engine;
        let groups = &mut groups[..*count];
        for group in groups.iter_mut() {
            let r = group.points[R];
            group.points[MINUS_WR] = Point { x: times_w(&r), y: r.y.negated() };
        }
        for round in 0..ROUNDS {
            let steps = Steps { round, comb: POSITIONS >> (round + 1) };
            let count = groups.len() * steps.count();
            inversions.clear();
            for i in 0..count / 2 {
                steps.push::<L, 2>(groups, inversions, 2 * i);
            }
            if count % 2 == 1 {
                steps.push::<L, 1>(groups, inversions, count - 1);
            }
            inversions.invert(|i, lanes| groups[i / steps.count()].flagged |= lanes);
            if count % 2 == 1 {
                steps.take::<L, 1>(groups, inversions, count - 1);
            }
            for i in (0..count / 2).rev() {
                steps.take::<L, 2>(groups, inversions, 2 * i);
            }
            if round == 0 {
                for group in groups.iter_mut() {
                    let two = group.points[TWO_R];
                    group.points[MINUS_TWO_WR] = Point { x: times_w(&two), y: two.y.negated() };
                }
            }
        }
        for (group, tables) in groups.iter().zip(tables) {
            for class in 0..CLASSES.len() {
                // The loop wants -x and 2y: -x of w^2 times the point is x + w x.
                let point = &group.points[R + class];
                let wx = times_w(point);
                let y = point.y.plus(&point.y).below_2_256();
                for (power, x) in
                    [point.x.negated(), wx.negated(), point.x.plus(&wx)].into_iter().enumerate()
                {
                    let [a, b, c, d] = x.below_2_256();
                    let rows = L::transpose([a, b, c, d, y[0], y[1], y[2], y[3]]);
                    for lane in 0..8 {
                        tables[lane][3 * class + power] = rows[lane].store();
                    }
                }
            }
        }
    }
}

/// The loop over R: three doublings and an addition a digit.
struct Walk;

impl<L: Lanes> Phase<Run<'_, L>> for Walk {
    #[inline(always)]
    fn run(work: &mut Run<'_, L>) {
        let Run { engine, comb, count, .. } = work;
        let Engine { groups, tables, .. } = &mut **engine;
        let start = Jacobian::from_point(&Point::load([&comb.start; 8]));
        let (groups, tables) = (&mut groups[..*count], &tables[..*count]);
        let (pairs, single) = groups.as_chunks_mut::<2>();
        for (pair, [a, b]) in pairs.iter_mut().zip(tables.as_chunks().0) {
            walk(pair, [a, b], &start);
        }
        if let [group] = single {
            walk(array::from_mut(group), [&tables[*count - 1]], &start);
        }
    }
}

/// Groups whose turns alternate, so that none waits for its own products.
#[inline(always)]
fn walk<L: Lanes, const N: usize>(
    groups: &mut [Group<L>; N],
    tables: [&[Table; 8]; N],
    start: &Jacobian<L>,
) {
    let (mut sums, mut opposite) = ([*start; N], [0; N]);
    for at in (0..COUNT).rev() {
        if at != COUNT - 1 {
            for _ in 0..3 {
                sums = Jacobian::minus_doubles(&sums);
            }
            opposite = each!(i < N, !opposite[i]);
        }
        let digits = each!(i < N, groups[i].digits[at]);
        let points = each!(i < N, digits[i].row(tables[i]));
        let minus_x = each!(i < N, points[i].x);
        let minus_y = each!(i < N, points[i].y.negated_where(!(digits[i].negative ^ opposite[i])));
        let added = Jacobian::minus_sums::<2, N>(&sums, &minus_x, &minus_y);
        sums = each!(i < N, Jacobian::pick(digits[i].nonzero, &added[i], &sums[i]));
        opposite = each!(i < N, opposite[i] ^ digits[i].nonzero);
    }
    // Slot 0 holds the sum of the comb's points. This addition is the last one: Y is plain.
    let points = each!(i < N, groups[i].points[0]);
    let minus_x = each!(i < N, points[i].x.negated());
    let minus_y = each!(i < N, points[i].y.plus(&points[i].y).negated_where(!opposite[i]));
    let added = Jacobian::minus_sums::<1, N>(&sums, &minus_x, &minus_y);
    for i in 0..N {
        (groups[i].sum, groups[i].opposite) = (added[i], !opposite[i]);
    }
}

/// Affine coordinates and their keccak-256.
struct Finish;

impl<L: Lanes> Phase<Run<'_, L>> for Finish {
    #[inline(always)]
    fn run(work: &mut Run<'_, L>) {
        let Run { engine, count, .. } = work;
        let Engine { groups, inversions, .. } = &mut **engine;
        let groups = &mut groups[..*count];
        inversions.clear();
        for group in groups.iter() {
            inversions.push([group.sum.z]);
        }
        inversions.invert(|i, lanes| groups[i].flagged |= lanes);
        for group in groups.iter_mut().rev() {
            let [inverse] = inversions.pop();
            let square = inverse.square_loosely();
            let x = group.sum.x.times(&square).canonical();
            let y = group.sum.y.times(&square.times_loosely(&inverse));
            let y = y.negated_where(group.opposite).tight().canonical();
            let [a, b, c] = keccak::address(x, y);
            group.addresses = [a.store(), b.store(), c.store()];
        }
    }
}

// The loop doubles 126 times, which `scalar::COMB_OFFSET` and START rely on.
const _: () = assert!(3 * (COUNT - 1) == 126 && START.len() == 32);
