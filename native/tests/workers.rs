//! Threads that recover while their caller goes on: every answer arrives, and a failure is told.

mod damage;

use damage::{Columns, Maker};
use payloads_simd::dispatch::{Flagged, Implementation, recover_one};
use payloads_simd::engine::Answer;
use payloads_simd::workers::{self, Pending, Workers};

fn made(count: usize, seed: u64) -> Columns {
    let (mut maker, mut columns) = (Maker::new(seed), Columns::default());
    for _ in 0..count {
        columns.push(maker.make());
    }
    columns
}

fn wanted(columns: &Columns) -> Vec<Answer> {
    let all = columns.signatures();
    (0..all.len()).map(|i| recover_one(all.slice(i, i + 1))).collect()
}

fn begun(workers: &Workers, columns: &Columns) -> Pending {
    workers.begin(columns.signatures().into(), Implementation::Libsecp256k1, Flagged::Recovered)
}

#[test]
fn answers_arrive_in_any_order_and_after_the_workers_are_gone() {
    for threads in [0, 1, 2, 5] {
        let pieces: Vec<_> = [700, 0, 1, 129].map(|count| made(count, count as u64)).into();
        let workers = Workers::new(threads);
        let all: Vec<_> = pieces.iter().map(|piece| begun(&workers, piece)).collect();
        drop(begun(&workers, &pieces[0]));
        assert_eq!(all[3].get(), wanted(&pieces[3]));
        drop(workers);
        for (found, piece) in all.iter().zip(&pieces).rev() {
            assert_eq!(found.get(), wanted(piece));
            assert_eq!(found.get(), wanted(piece));
        }
    }
}

#[test]
fn several_callers_share_workers() {
    let workers = Workers::new(3);
    std::thread::scope(|scope| {
        for seed in 0..6 {
            let workers = &workers;
            scope.spawn(move || {
                for count in [40, 200, 300] {
                    let piece = made(count, seed);
                    assert_eq!(begun(workers, &piece).get(), wanted(&piece));
                }
            });
        }
    });
}

#[test]
#[should_panic(expected = "a thread that recovers signatures failed")]
fn a_thread_that_fails_leaves_no_caller_waiting() {
    let columns = workers::Columns { vs: vec![0; 1_000], ..Default::default() };
    Workers::new(2).begin(columns, Implementation::Portable, Flagged::Left).get();
}
