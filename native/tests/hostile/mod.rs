//! What any bytes must do: the bodies of the fuzz targets, which `cargo fuzz` and a test call.

#![allow(dead_code)]

use payloads_simd::dispatch::{Flagged, Implementation, has_vectors, recover_one};
use payloads_simd::engine::{Answer, CHUNK, Signatures};
use payloads_simd::lanes::{Lanes, Portable};

#[cfg(target_arch = "x86_64")]
use payloads_simd::lanes::Avx512 as Vector;
#[cfg(not(target_arch = "x86_64"))]
use payloads_simd::lanes::Portable as Vector;
use payloads_simd::workers::answers;

use crate::edges::{Inputs, check};

/// Digest, r, s and v of a signature, one after the other: 32, 32, 32 and 1 bytes.
pub const ROW: usize = 97;

/// Signatures, of which every implementation gives the answers of libsecp256k1.
pub fn recover(bytes: &[u8]) {
    let rows: Vec<&[u8]> = bytes.chunks_exact(ROW).take(CHUNK + 1).collect();
    let column = |from: usize, to: usize| -> Vec<u8> {
        rows.iter().flat_map(|row| row[from..to].to_vec()).collect()
    };
    let (digests, rs, ss) = (column(0, 32), column(32, 64), column(64, 96));
    let all = Signatures { digests: &digests, rs: &rs, ss: &ss, vs: &column(96, ROW) };
    let wanted: Vec<_> = (0..all.len()).map(|i| recover_one(all.slice(i, i + 1))).collect();
    let vector = has_vectors().then_some(Implementation::Vector);
    for implementation in vector.into_iter().chain([Implementation::Portable]) {
        let found = answers(all, implementation, 1, Flagged::Left);
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!(found == wanted || *found == Answer::Flagged, "{implementation:?}");
        }
    }
}

/// Limbs, for which every function of the field keeps its bounds under both kinds of lanes.
pub fn field(bytes: &[u8]) {
    let mut words = bytes.chunks(8).map(|piece| {
        let mut word = [0; 8];
        word[..piece.len()].copy_from_slice(piece);
        u64::from_le_bytes(word)
    });
    // Where the bytes end, limbs are 0.
    let inputs = Inputs::from(&mut || words.next().unwrap_or(0));
    check::<Portable>(&inputs);
    if Vector::available() {
        check::<Vector>(&inputs);
    }
}
