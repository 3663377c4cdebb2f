//! `cargo run --release --example cost`: what a product, a square and a doubling of eight lanes cost.

#![allow(clippy::needless_range_loop)]

use std::hint::black_box;
use std::time::Instant;

use payloads_simd::field::{Factor, Field};
use payloads_simd::lanes::{Lanes, Phase, Portable};
use payloads_simd::points::{Jacobian, Point};

#[cfg(target_arch = "x86_64")]
use payloads_simd::lanes::Avx512;

/// Four independent values, as in the loop over R.
struct Work<L>([Jacobian<L>; 4]);

const TURNS: usize = 2_000;

struct Instructions;
impl<L: Lanes> Phase<Work<L>> for Instructions {
    #[inline(always)]
    fn run(work: &mut Work<L>) {
        let mut sums = [L::splat(0); 12];
        let (a, b) = (work.0[0].x.0[0], work.0[1].x.0[1]);
        for _ in 0..TURNS {
            for k in 0..12 {
                sums[k] = sums[k].mad_low(a, b);
            }
        }
        for k in 0..12 {
            work.0[k % 4].x.0[k % 5] = sums[k];
        }
    }
}

struct Products;
impl<L: Lanes> Phase<Work<L>> for Products {
    #[inline(always)]
    fn run(work: &mut Work<L>) {
        for _ in 0..TURNS {
            for point in &mut work.0 {
                point.x = point.x.times_loosely(&point.y);
            }
        }
    }
}

struct Squares;
impl<L: Lanes> Phase<Work<L>> for Squares {
    #[inline(always)]
    fn run(work: &mut Work<L>) {
        for _ in 0..TURNS {
            for point in &mut work.0 {
                point.x = point.x.square_loosely();
            }
        }
    }
}

struct Doublings;
impl<L: Lanes> Phase<Work<L>> for Doublings {
    #[inline(always)]
    fn run(work: &mut Work<L>) {
        for _ in 0..TURNS {
            for pair in work.0.as_chunks_mut().0 {
                *pair = Jacobian::minus_doubles::<2>(pair);
            }
        }
    }
}

struct Sums<L>(Work<L>, Point<L>);
struct Additions;
impl<L: Lanes> Phase<Sums<L>> for Additions {
    #[inline(always)]
    fn run(work: &mut Sums<L>) {
        for _ in 0..TURNS {
            let (x, y) = ([work.1.x; 2], [work.1.y.loose(); 2]);
            for pair in work.0.0.as_chunks_mut().0 {
                *pair = Jacobian::minus_sums::<2, 2>(pair, &x, &y);
            }
        }
    }
}

fn nanoseconds<T>(work: &mut T, run: fn(&mut T), each: usize) -> f64 {
    (0..40).fold(f64::MAX, |best, _| {
        let begun = Instant::now();
        run(black_box(work));
        best.min(begun.elapsed().as_secs_f64() * 1e9 / (TURNS * each) as f64)
    })
}

fn measure<L: Lanes>(name: &str) {
    let odd = |k: u64| Field::<L>::constant([k + 12345, k + 99, 7, 1 << 40, 1 << 47]);
    let point = |k| Point { x: odd(k), y: odd(k + 1) };
    let mut work = Work([1, 2, 3, 4].map(|k| Jacobian::from_point(&point(k))));
    println!("{name}, nanoseconds for eight lanes:");
    println!("  multiply-add {:.2}", nanoseconds(&mut work, L::run::<_, Instructions>, 12));
    println!("  product {:.1}", nanoseconds(&mut work, L::run::<_, Products>, 4));
    println!("  square {:.1}", nanoseconds(&mut work, L::run::<_, Squares>, 4));
    println!("  doubling {:.1}", nanoseconds(&mut work, L::run::<_, Doublings>, 4));
    let mut sums = Sums(work, point(9));
    println!("  mixed addition {:.1}", nanoseconds(&mut sums, L::run::<_, Additions>, 4));
}

fn main() {
    #[cfg(target_arch = "x86_64")]
    if Avx512::available() {
        measure::<Avx512>("vector instructions");
    }
    measure::<Portable>("portable");
}
