//! `cargo run --release --example bench`: batches against libsecp256k1's own loop, in one run.
//!
//! Rounds take turns and are short, and each figure is the fastest of its rounds: other work on the
//! machine then disturbs few of them.
//!
//! With `--turns` it reads what to measure from standard input, for a program that has it take turns
//! with others: a line "64 1 vector" (or libsecp256k1) is answered by microseconds a signature, and
//! "steps" by those of each phase.

use std::io::{BufRead, stdin};
use std::time::Instant;

use payloads_simd::dispatch::{Implementation, fastest, has_vectors};
use payloads_simd::engine::{Answer, CHUNK, Engine, STEPS, Signatures};
#[cfg(target_arch = "x86_64")]
use payloads_simd::lanes::Avx512 as Vector;
#[cfg(not(target_arch = "x86_64"))]
use payloads_simd::lanes::Portable as Vector;
use payloads_simd::workers::recover;
use secp256k1::{Message, Secp256k1, SecretKey};

const MOST: usize = 4096;
const ROUNDS: usize = 80;

fn main() {
    let secp = Secp256k1::new();
    let (mut digests, mut rs, mut ss, mut vs) = (vec![], vec![], vec![], vec![]);
    for i in 0..MOST as u64 {
        let mut bytes = [0x5A; 32];
        bytes[8..16].copy_from_slice(&(i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        let key = SecretKey::from_byte_array(bytes).expect("a usable key");
        let (id, compact) =
            secp.sign_ecdsa_recoverable(Message::from_digest(bytes), &key).serialize_compact();
        digests.extend(bytes);
        rs.extend(&compact[..32]);
        ss.extend(&compact[32..]);
        vs.push(i32::from(id) as u8);
    }
    let all = Signatures { digests: &digests, rs: &rs, ss: &ss, vs: &vs };
    if std::env::args().any(|argument| argument == "--turns") {
        return take_turns(all);
    }
    println!("vector instructions: {}", if has_vectors() { "yes" } else { "no" });
    println!("| batch | threads | µs a signature | libsecp256k1's loop | times |");
    println!("|---|---|---|---|---|");
    for (batch, threads) in [
        (1, 1),
        (2, 1),
        (4, 1),
        (8, 1),
        (16, 1),
        (64, 1),
        (128, 1),
        (1024, 1),
        (4096, 1),
        (1024, 2),
        (4096, 2),
    ] {
        let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            ours = ours.min(time(all, batch, fastest(batch), threads));
            theirs =
                theirs.min(time(all.slice(0, 32), batch.min(32), Implementation::Libsecp256k1, 1));
        }
        println!("| {batch} | {threads} | {ours:.2} | {theirs:.1} | {:.1} |", theirs / ours);
    }
}

fn take_turns(all: Signatures<'_>) {
    for line in stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [batch, threads, name] = words[..] else {
            println!("{:?}", steps(all));
            continue;
        };
        let batch: usize = batch.parse().expect("a batch's size");
        let implementation = match name {
            "vector" => Implementation::Vector,
            _ => Implementation::Libsecp256k1,
        };
        let threads = threads.parse().expect("a number of threads");
        println!("{}", time(all, batch, implementation, threads));
    }
}

/// Microseconds a signature in each phase, for batches of 128.
fn steps(all: Signatures<'_>) -> [f64; STEPS.len()] {
    let (mut engine, mut answers) = (Engine::<Vector>::new(), [Answer::Nothing; CHUNK]);
    let mut best = [f64::MAX; STEPS.len()];
    for at in (0..MOST).step_by(CHUNK) {
        let mut begun = Instant::now();
        engine.run_in_steps(all.slice(at, at + CHUNK), &mut answers, |step| {
            best[step] = best[step].min(begun.elapsed().as_secs_f64() * 1e6 / CHUNK as f64);
            begun = Instant::now();
        });
    }
    best
}

/// Microseconds a signature, over all signatures in batches.
fn time(all: Signatures<'_>, batch: usize, implementation: Implementation, threads: usize) -> f64 {
    let count = all.len().min(256.max(batch)) / batch * batch;
    let begun = Instant::now();
    for at in (0..count).step_by(batch) {
        let found = recover(all.slice(at, at + batch), implementation, threads);
        assert!(found.iter().all(Option::is_some));
    }
    begun.elapsed().as_secs_f64() * 1e6 / count as f64
}
