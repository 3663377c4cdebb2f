//! Which implementation recovers and hashes.

use std::sync::{Mutex, OnceLock};

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, Secp256k1, VerifyOnly};
use tiny_keccak::{Hasher, Keccak};

use crate::engine::{Address, Answer, CHUNK, Engine, Signatures};
use crate::keccak::{Hash, Messages};
use crate::lanes::{Lanes, Portable};

#[cfg(target_arch = "x86_64")]
use crate::lanes::Avx512 as Vector;
#[cfg(not(target_arch = "x86_64"))]
use crate::lanes::Portable as Vector;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Implementation {
    /// The vector instructions.
    Vector,
    /// The same algorithm one word at a time: for tests, slower than libsecp256k1.
    Portable,
    Libsecp256k1,
}

/// Does this machine have the vector instructions?
pub fn has_vectors() -> bool {
    cfg!(target_arch = "x86_64") && Vector::available()
}

/// What suits this machine and so many signatures. One signature costs libsecp256k1 as much as
/// eight cost the vectors.
pub fn fastest(count: usize) -> Implementation {
    if count > 1 && has_vectors() { Implementation::Vector } else { Implementation::Libsecp256k1 }
}

/// What becomes of the few signatures that the vectors cannot recover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flagged {
    /// libsecp256k1 recovers them.
    Recovered,
    /// They stay `Answer::Flagged`: a caller may not need them, and each takes libsecp256k1's time.
    Left,
}

/// Recovers on this thread.
pub fn recover_here(
    signatures: Signatures<'_>,
    implementation: Implementation,
    flagged: Flagged,
    answers: &mut [Answer],
) {
    static VECTOR: Pool<Vector> = Pool::new();
    static PORTABLE: Pool<Portable> = Pool::new();
    match implementation {
        Implementation::Vector => VECTOR.recover(signatures, flagged, answers),
        Implementation::Portable => PORTABLE.recover(signatures, flagged, answers),
        Implementation::Libsecp256k1 => {
            for (i, answer) in answers.iter_mut().enumerate() {
                *answer = recover_one(signatures.slice(i, i + 1));
            }
        }
    }
}

/// Engines that no thread uses at the moment: their memory is not allocated again for each call.
struct Pool<L>(Mutex<Vec<Box<Engine<L>>>>);

impl<L: Lanes> Pool<L> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn recover(&self, signatures: Signatures<'_>, flagged: Flagged, answers: &mut [Answer]) {
        let idle = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kept = idle().pop();
        let mut engine = kept.unwrap_or_else(|| Box::new(Engine::new()));
        for (i, piece) in answers.chunks_mut(CHUNK).enumerate() {
            let part = signatures.slice(i * CHUNK, i * CHUNK + piece.len());
            engine.run(part, piece);
            for (j, answer) in piece.iter_mut().enumerate() {
                if *answer == Answer::Flagged && flagged == Flagged::Recovered {
                    *answer = recover_one(part.slice(j, j + 1));
                }
            }
        }
        idle().push(engine);
    }
}

/// One signature, by libsecp256k1.
pub fn recover_one(signature: Signatures<'_>) -> Answer {
    recovered(signature).map_or(Answer::Nothing, Answer::Address)
}

fn recovered(signature: Signatures<'_>) -> Option<Address> {
    static CONTEXT: OnceLock<Secp256k1<VerifyOnly>> = OnceLock::new();
    let context = CONTEXT.get_or_init(Secp256k1::verification_only);
    let id = match signature.vs[0] {
        0 => RecoveryId::Zero,
        1 => RecoveryId::One,
        _ => return None,
    };
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(signature.rs);
    compact[32..].copy_from_slice(signature.ss);
    let parsed = RecoverableSignature::from_compact(&compact, id).ok()?;
    let digest = Message::from_digest(signature.digests.try_into().ok()?);
    let key = context.recover_ecdsa(digest, &parsed).ok()?;
    hash_one(&key.serialize_uncompressed()[1..])[12..].try_into().ok()
}

/// keccak-256 of each `size` bytes.
pub fn hashes(bytes: &[u8], size: usize) -> Vec<[u8; 32]> {
    assert!(size > 0 && bytes.len().is_multiple_of(size));
    let count = bytes.len() / size;
    if count < 2 || !has_vectors() {
        return bytes.chunks_exact(size).map(hash_one).collect();
    }
    let mut digests = vec![[0; 32]; count];
    Vector::run::<_, Hash<Vector>>(&mut Messages { bytes, size, digests: &mut digests });
    digests
}

fn hash_one(message: &[u8]) -> [u8; 32] {
    let mut hasher = Keccak::v256();
    let mut digest = [0; 32];
    hasher.update(message);
    hasher.finalize(&mut digest);
    digest
}
