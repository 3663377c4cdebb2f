//! keccak-256 of eight messages at once: of public keys, and of any messages of one size.
//!
//! The state is 25 words, in rows of five. The round follows the specification's five steps.

use std::marker::PhantomData;

use crate::each;
use crate::lanes::{Lanes, Phase};

const ROUNDS: usize = 24;
/// The bytes of a block: the state less 64, twice the digest's size.
const BLOCK: usize = 136;

/// The constants come from the specification's shift register, x^8 + x^6 + x^5 + x^4 + 1.
const CONSTANTS: [u64; ROUNDS] = constants();

const fn constants() -> [u64; ROUNDS] {
    let (mut out, mut register, mut round) = ([0; ROUNDS], 1u16, 0);
    while round < ROUNDS {
        let mut j = 0;
        while j < 7 {
            out[round] |= ((register & 1) as u64) << ((1 << j) - 1);
            register <<= 1;
            if register & 0x100 != 0 {
                register ^= 0x171;
            }
            j += 1;
        }
        round += 1;
    }
    out
}

/// By position x + 5 y: where its word comes from, and how far it is rotated.
const MOVES: [(usize, u64); 25] = moves();

const fn moves() -> [(usize, u64); 25] {
    let (mut out, mut x, mut y, mut t) = ([(0, 0); 25], 1, 0, 0);
    while t < 24 {
        let (next_x, next_y) = (y, (2 * x + 3 * y) % 5);
        out[next_x + 5 * next_y] = (x + 5 * y, ((t + 1) * (t + 2) / 2 % 64) as u64);
        (x, y) = (next_x, next_y);
        t += 1;
    }
    out
}

/// An array of 25 words, from an expression of a constant index. Written out, because a loop would
/// keep the state in memory instead of in registers: five times as slow.
macro_rules! words {
    ($i:ident, $value:expr) => {
        words!(@ $i, $value, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24)
    };
    (@ $i:ident, $value:expr, $($number:literal)*) => {
        [$({ const $i: usize = $number; $value }),*]
    };
}

/// The last 20 bytes of the digest of x and y (words, the lowest first): its words 1 to 3.
#[inline(always)]
pub fn address<L: Lanes>(x: [L; 4], y: [L; 4]) -> [L; 3] {
    let mut state = [L::splat(0); 25];
    for i in 0..4 {
        state[i] = x[3 - i].swap_bytes();
        state[4 + i] = y[3 - i].swap_bytes();
    }
    // The padding of a block.
    state[8] = L::splat(1);
    state[16] = L::splat(0x80 << 56);
    let state = permuted(state);
    [state[1], state[2], state[3]]
}

/// Messages of `size` bytes, one after the other, and room for the digest of each.
pub struct Messages<'a> {
    pub bytes: &'a [u8],
    pub size: usize,
    pub digests: &'a mut [[u8; 32]],
}

/// Hashes all messages, eight at a time.
pub struct Hash<L>(PhantomData<L>);

impl<L: Lanes> Phase<Messages<'_>> for Hash<L> {
    #[inline(always)]
    fn run(work: &mut Messages<'_>) {
        let size = work.size;
        for (group, digests) in work.digests.chunks_mut(8).enumerate() {
            // Lanes without a message hash the last one again.
            let message = |lane: usize| {
                let at = (8 * group + lane.min(digests.len() - 1)) * size;
                &work.bytes[at..at + size]
            };
            let messages: [&[u8]; 8] = std::array::from_fn(message);
            let mut state = [L::splat(0); 25];
            for block in 0..size / BLOCK {
                let at = block * BLOCK;
                let blocks: [&[u8]; 8] =
                    std::array::from_fn(|lane| &messages[lane][at..at + BLOCK]);
                state = absorbed(state, blocks);
            }
            let mut ends = [[0; BLOCK]; 8];
            for (end, message) in ends.iter_mut().zip(messages) {
                let rest = &message[size / BLOCK * BLOCK..];
                end[..rest.len()].copy_from_slice(rest);
                end[rest.len()] = 1;
                end[BLOCK - 1] |= 0x80;
            }
            state = absorbed(state, std::array::from_fn(|lane| &ends[lane][..]));
            for i in 0..4 {
                let words = state[i].store();
                for (digest, word) in digests.iter_mut().zip(words) {
                    digest[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    }
}

#[inline(always)]
fn absorbed<L: Lanes>(mut state: [L; 25], blocks: [&[u8]; 8]) -> [L; 25] {
    for i in 0..BLOCK / 8 {
        let word = |lane: usize| {
            let bytes = &blocks[lane][8 * i..8 * i + 8];
            u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
        };
        state[i] = state[i].xor(L::load(&std::array::from_fn(word)));
    }
    permuted(state)
}

#[inline(always)]
fn permuted<L: Lanes>(mut state: [L; 25]) -> [L; 25] {
    for constant in CONSTANTS {
        state = round(state, constant);
    }
    state
}

#[inline(always)]
fn round<L: Lanes>(state: [L; 25], constant: u64) -> [L; 25] {
    let columns: [L; 5] = each!(
        x < 5,
        state[x].xor(state[x + 5]).xor(state[x + 10]).xor(state[x + 15]).xor(state[x + 20])
    );
    let mixed: [L; 5] = each!(x < 5, columns[(x + 4) % 5].xor(columns[(x + 1) % 5].rotate(1)));
    let moved: [L; 25] = words!(I, state[MOVES[I].0].xor(mixed[MOVES[I].0 % 5]).rotate(MOVES[I].1));
    let mut out: [L; 25] = words!(
        I,
        moved[I].xor(moved[I / 5 * 5 + (I + 1) % 5].not_and(moved[I / 5 * 5 + (I + 2) % 5]))
    );
    out[0] = out[0].xor(L::splat(constant));
    out
}
