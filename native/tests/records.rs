//! Records taken apart, against the same one byte at a time.

mod damage;

use damage::Random;
use payloads_simd::records::{Column, Demands, Kind, Places, take_block};

const KINDS: [Kind; 3] = [Kind::Bytes, Kind::Unsigned, Kind::Signed];
/// The sizes and widths that tables have, and some that none has.
const SIZES: [(usize, usize); 14] = [
    (32, 32),
    (24, 32),
    (16, 32),
    (8, 8),
    (4, 8),
    (4, 4),
    (2, 2),
    (1, 1),
    (3, 4),
    (5, 8),
    (20, 32),
    (31, 32),
    (12, 32),
    (1, 32),
];

fn naive(record: &[u8], column: Column) -> Vec<u8> {
    let bytes = &record[column.at..column.at + column.size];
    if column.kind == Kind::Bytes {
        return bytes.to_vec();
    }
    let fill = if column.kind == Kind::Signed && bytes[0] >= 0x80 { 0xFF } else { 0 };
    let mut cell: Vec<u8> = bytes.iter().rev().copied().collect();
    cell.resize(column.width, fill);
    cell
}

fn some_columns(random: &mut Random, record: usize) -> Vec<Column> {
    let sizes = SIZES.iter().filter(|(size, _)| *size <= record);
    let mut columns = Vec::new();
    for &(size, width) in sizes {
        let kind = KINDS[random.below(3)];
        let width = if kind == Kind::Bytes { size } else { width };
        columns.push(Column { at: random.below(record - size + 1), size, width, kind });
    }
    columns
}

fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.next() as u8).collect()
}

#[test]
fn columns_have_what_the_records_have() {
    let mut random = Random(7);
    for _ in 0..300 {
        let (size, each, begin) = (1 + random.below(90), 1 + random.below(4), random.below(5));
        let payload = begin + size * each + random.below(3);
        let (count, places) = (random.below(40), Places { begin, size, each });
        assert!(places.fit(payload));
        let data = bytes(&mut random, count * payload);
        let payloads: Vec<&[u8]> = data.chunks_exact(payload).collect();
        let columns = some_columns(&mut random, size);
        let first = random.below(3);
        let mut memory: Vec<Vec<u8>> = columns
            .iter()
            .map(|column| vec![0xAA; column.width * each * (first + count)])
            .collect();
        let mut filled: Vec<(Column, &mut [u8])> =
            columns.iter().copied().zip(memory.iter_mut().map(Vec::as_mut_slice)).collect();
        let demands = Demands { template: &[], mask: &[], signs: &[] };
        assert!(take_block(&payloads, places, &demands, &mut filled, first));
        for (column, found) in columns.iter().zip(&memory) {
            let (before, found) = found.split_at(first * each * column.width);
            let wanted: Vec<u8> = payloads
                .iter()
                .flat_map(|payload| payload[begin..begin + size * each].chunks_exact(size))
                .flat_map(|record| naive(record, *column))
                .collect();
            assert_eq!(found, wanted, "{column:?}");
            assert!(before.iter().all(|byte| *byte == 0xAA));
        }
    }
}

#[test]
fn a_bit_under_the_mask_is_noticed_and_no_other() {
    let mut random = Random(8);
    for size in [1, 7, 32, 63, 64, 65, 200] {
        let places = Places { begin: 0, size, each: 1 };
        let (template, mask) = (bytes(&mut random, size), bytes(&mut random, size));
        let demands = Demands { template: &template, mask: &mask, signs: &[] };
        assert!(demands.fit(size));
        for at in 0..8 * size {
            let mut record = template.clone();
            record[at / 8] ^= 1 << (at % 8);
            let good = template.as_slice();
            let met = take_block(&[good, record.as_slice(), good], places, &demands, &mut [], 0);
            assert_eq!(met, mask[at / 8] >> (at % 8) & 1 == 0, "size {size}, bit {at}");
        }
    }
}

#[test]
fn signs_are_repeated_to_the_top() {
    let places = Places { begin: 0, size: 40, each: 1 };
    for beside in [1, 8, 13, 31] {
        let signs = [(4, beside)];
        let demands = Demands { template: &[], mask: &[], signs: &signs };
        for sign in [0, 0x7F, 0x80, 0xFF] {
            let fill = if sign >= 0x80 { 0xFF } else { 0 };
            let mut record = [0x55; 40];
            record[4..4 + beside].fill(fill);
            record[4 + beside] = sign;
            assert!(take_block(&[&record], places, &demands, &mut [], 0));
            for at in 4..4 + beside {
                let mut other = record;
                other[at] ^= 1;
                assert!(!take_block(&[&other], places, &demands, &mut [], 0));
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let column = |at, size, width, kind| Column { at, size, width, kind };
    assert!(column(8, 24, 32, Kind::Signed).fits(32));
    assert!(!column(9, 24, 32, Kind::Signed).fits(32));
    assert!(!column(usize::MAX, 2, 2, Kind::Bytes).fits(32));
    assert!(!column(0, 4, 8, Kind::Bytes).fits(32));
    assert!(!column(0, 8, 4, Kind::Unsigned).fits(32));
    assert!(!column(0, 0, 0, Kind::Bytes).fits(32));
    let demands = |template, mask, signs| Demands { template, mask, signs };
    assert!(demands(&[1, 2], &[0, 0], &[(0, 1)]).fit(2));
    assert!(!demands(&[1, 2], &[0], &[]).fit(2));
    assert!(!demands(&[1, 2], &[0, 0], &[]).fit(3));
    assert!(!demands(&[], &[], &[(1, 1)]).fit(2));
    assert!(!demands(&[], &[], &[(usize::MAX, 1)]).fit(2));
    let places = |begin, size, each| Places { begin, size, each };
    assert!(places(2, 3, 4).fit(14));
    assert!(!places(3, 3, 4).fit(14));
    assert!(!places(0, 0, 1).fit(14) && !places(0, 1, 0).fit(14));
    assert!(!places(0, usize::MAX, 2).fit(14) && !places(1, usize::MAX, 1).fit(14));
}
