//! The fuzz targets without `cargo fuzz`: seeds, and what hostile edits make of them.
//!
//! PAYLOADS_SIMD_FUZZ says how many inputs each target gets.

mod damage;
mod edges;
mod hostile;

use damage::{Maker, Random};

fn count() -> u64 {
    let text = std::env::var("PAYLOADS_SIMD_FUZZ");
    text.map_or(300, |text| text.parse().expect("a number"))
}

/// A bit flipped, a byte changed, a piece copied over another one, or the end cut off.
fn edited(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..random.below(4) {
        let size = bytes.len();
        let at = random.below(size);
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)],
            2 => {
                let (from, most) = (random.below(size), random.below(64));
                let piece = bytes[from..size.min(from + most)].to_vec();
                for (to, byte) in bytes[at..].iter_mut().zip(piece) {
                    *to = byte;
                }
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

#[test]
fn signatures() {
    let (mut maker, mut random) = (Maker::new(21), Random(22));
    hostile::recover(&[]);
    for _ in 0..count() {
        let mut bytes = vec![];
        for _ in 0..1 + random.below(20) {
            bytes.extend(maker.row());
        }
        hostile::recover(&edited(bytes, &mut random));
    }
}

#[test]
fn limbs() {
    let mut random = Random(23);
    for bytes in [&[] as &[u8], &[0xFF; 3], &[0xFF; 4096]] {
        hostile::field(bytes);
    }
    for _ in 0..count() {
        let bytes = (0..1 + random.below(3000)).map(|_| random.next() as u8).collect();
        hostile::field(&edited(bytes, &mut random));
    }
}
