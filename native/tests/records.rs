//! Records taken apart, against the same one byte at a time.

mod damage;

use damage::Random;
use payloads_simd::records::{Column, Demands, Kind, Layout, Way};

const NOTHING: Demands<'_> = Demands { template: &[], mask: &[], signs: &[] };
const KINDS: [Kind; 3] = [Kind::Bytes, Kind::Unsigned, Kind::Signed];
/// The sizes and widths that tables have, and some that none has.
const SIZES: [(usize, usize); 17] = [
    (192, 192),
    (160, 160),
    (27, 27),
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

/// Whether the records are as demanded: all ways of this machine say the same.
fn are_met(records: &[&[u8]], demands: &Demands<'_>) -> bool {
    let layout = Layout::of(records[0].len(), demands, vec![]).expect("demands that fit");
    let found: Vec<bool> =
        Way::all().iter().map(|way| layout.take(*way, records, &mut [], 0)).collect();
    assert!(found.iter().all(|met| *met == found[0]));
    found[0]
}

#[test]
fn columns_have_what_the_records_have() {
    let mut random = Random(7);
    for _ in 0..300 {
        let (size, count, first) = (1 + random.below(250), random.below(40), random.below(9));
        let data = bytes(&mut random, count * size);
        let records: Vec<&[u8]> = data.chunks_exact(size).collect();
        let columns = some_columns(&mut random, size);
        let layout = Layout::of(size, &NOTHING, columns.clone()).expect("columns that fit");
        for &way in Way::all() {
            let mut memory: Vec<Vec<u8>> = columns
                .iter()
                .map(|column| vec![0xAA; column.width * (first + count + 1)])
                .collect();
            let mut cells: Vec<&mut [u8]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
            assert!(layout.take(way, &records, &mut cells, first));
            for (column, found) in columns.iter().zip(&memory) {
                let (before, found) = found.split_at(first * column.width);
                let (found, after) = found.split_at(count * column.width);
                let wanted: Vec<u8> =
                    records.iter().flat_map(|record| naive(record, *column)).collect();
                assert_eq!(found, wanted, "{column:?}, {way:?}");
                assert!(before.iter().chain(after).all(|byte| *byte == 0xAA));
            }
        }
    }
}

#[test]
fn a_bit_under_the_mask_is_noticed_and_no_other() {
    let mut random = Random(8);
    for size in [1, 7, 32, 63, 64, 65, 200] {
        let (template, mut mask) = (bytes(&mut random, size), bytes(&mut random, size));
        for cleared in [0, 64.min(size), size] {
            mask[..cleared].fill(0);
            let demands = Demands { template: &template, mask: &mask, signs: &[] };
            for at in 0..8 * size {
                let mut record = template.clone();
                record[at / 8] ^= 1 << (at % 8);
                let met = are_met(&[&template, &record, &template], &demands);
                assert_eq!(met, mask[at / 8] >> (at % 8) & 1 == 0, "size {size}, bit {at}");
            }
        }
    }
}

#[test]
fn signs_are_repeated_to_the_top() {
    for beside in [1, 8, 13, 31] {
        let demands = Demands { signs: &[(4, beside)], ..NOTHING };
        for sign in [0, 0x7F, 0x80, 0xFF] {
            let fill = if sign >= 0x80 { 0xFF } else { 0 };
            let mut record = [0x55; 40];
            record[4..4 + beside].fill(fill);
            record[4 + beside] = sign;
            assert!(are_met(&[&record], &demands));
            for at in 4..4 + beside {
                for bit in 0..8 {
                    let mut other = record;
                    other[at] ^= 1 << bit;
                    assert!(!are_met(&[&record, &other], &demands));
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let column = |at, size, width, kind| {
        Layout::of(32, &NOTHING, vec![Column { at, size, width, kind }]).is_some()
    };
    assert!(column(8, 24, 32, Kind::Signed));
    assert!(!column(9, 24, 32, Kind::Signed));
    assert!(!column(usize::MAX, 2, 2, Kind::Bytes));
    assert!(!column(0, 4, 8, Kind::Bytes));
    assert!(!column(0, 8, 4, Kind::Unsigned));
    assert!(!column(0, 0, 0, Kind::Bytes));
    let demands = |template, mask, signs, size| {
        Layout::of(size, &Demands { template, mask, signs }, vec![]).is_some()
    };
    assert!(demands(&[1, 2], &[0, 0], &[(0, 1)], 2));
    assert!(!demands(&[1, 2], &[0], &[], 2));
    assert!(!demands(&[1, 2], &[0, 0], &[], 3));
    assert!(!demands(&[], &[], &[(1, 1)], 2));
    assert!(!demands(&[], &[], &[(usize::MAX, 1)], 2));
}

#[test]
#[should_panic(expected = "assertion failed")]
fn a_record_of_another_size_is_not_read() {
    let layout = Layout::of(3, &NOTHING, vec![]).expect("it fits");
    layout.take(Way::Portable, &[&[0; 3], &[0; 2]], &mut [], 0);
}
