//! Signers of many secp256k1 signatures at once, by the rules of Ethereum's ecrecover.
//!
//! Each file is a layer, and uses those before it: `lanes` (eight words at once), `limbs` (numbers in
//! limbs), `field` (modulo p), `inverse`, `inversions`, `scalar` (modulo n), `digits`, `points`,
//! `tables` (of G), `keccak`, `engine` (up to 128 signatures), `dispatch` (implementations), `workers`
//! (threads), and `python`. Two stand alone: `records` takes payloads apart into columns, and `lines`
//! reads lines of text that differ in digits.
//!
//! All inputs are public, so nothing here tries to take the same time for different values.

// Constants of 52 bits are grouped from the right; loops over limbs name the limb.
#![allow(clippy::unusual_byte_groupings, clippy::needless_range_loop)]
// Nothing here is a library for others.
#![allow(clippy::new_without_default, clippy::len_without_is_empty)]

pub mod digits;
pub mod dispatch;
pub mod engine;
pub mod field;
pub mod inverse;
pub mod inversions;
pub mod keccak;
pub mod lanes;
pub mod limbs;
pub mod lines;
pub mod points;
pub mod records;
pub mod scalar;
pub mod tables;
pub mod workers;

#[cfg(feature = "python")]
mod python;
#[cfg(feature = "python")]
mod python_lines;
#[cfg(feature = "python")]
mod python_records;
