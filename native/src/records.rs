//! Records of one size, checked and taken apart into columns in one pass over their bytes.
//!
//! A record is compared with a template under a mask, and signed words must repeat their sign. Then
//! each column gets its bytes, or its number: big-endian in the record, little-endian and as wide as
//! the column in the column. A number is as narrow as its column or narrower.
//!
//! Records come in blocks, which stay in the nearest cache from the check to the last column.

/// The records of a block, about.
pub const BLOCK: usize = 32;

/// What every record must have.
pub struct Demands<'a> {
    /// Under the mask a record has the template's bytes. Both are as long as a record, or empty.
    pub template: &'a [u8],
    pub mask: &'a [u8],
    /// So many bytes at that place all repeat the sign of the number after them.
    pub signs: &'a [(usize, usize)],
}

/// A column: the bytes of a record from `at` on, `width` bytes in the column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub at: usize,
    pub size: usize,
    pub width: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Bytes,
    Unsigned,
    Signed,
}

impl Column {
    /// Whether records of this size have the column's bytes, and the column has room for them.
    pub fn fits(&self, record: usize) -> bool {
        let inside = self.at.checked_add(self.size).is_some_and(|end| end <= record);
        let room = self.kind != Kind::Bytes || self.size == self.width;
        inside && room && 0 < self.size && self.size <= self.width
    }
}

impl Demands<'_> {
    /// Whether records of this size have everything that is asked for.
    pub fn fit(&self, record: usize) -> bool {
        let signs =
            |&(at, size): &(usize, usize)| at.checked_add(size).is_some_and(|end| end < record);
        let plain = self.template.is_empty() || self.template.len() == record;
        plain && self.mask.len() == self.template.len() && self.signs.iter().all(signs)
    }

    #[inline(always)]
    fn met(&self, record: &[u8]) -> bool {
        same(record, self.template, self.mask)
            && self.signs.iter().all(|sign| repeated(record, sign))
    }
}

/// Words of 64 bytes, then the rest: so wide that the compiler uses vectors.
#[inline(always)]
fn same(record: &[u8], template: &[u8], mask: &[u8]) -> bool {
    let ((records, rest), (templates, other)) =
        (record.as_chunks::<64>(), template.as_chunks::<64>());
    let (masks, mask) = mask.as_chunks::<64>();
    let mut differs = [0u8; 64];
    for ((bytes, wanted), mask) in records.iter().zip(templates).zip(masks) {
        for i in 0..64 {
            differs[i] |= (bytes[i] ^ wanted[i]) & mask[i];
        }
    }
    for i in 0..mask.len().min(rest.len()).min(other.len()) {
        differs[i] |= (rest[i] ^ other[i]) & mask[i];
    }
    differs == [0; 64]
}

#[inline(always)]
fn repeated(record: &[u8], &(at, size): &(usize, usize)) -> bool {
    let sign = sign_of(record[at + size]);
    record[at..at + size].iter().fold(0, |differs, byte| differs | (byte ^ sign)) == 0
}

#[inline(always)]
fn sign_of(byte: u8) -> u8 {
    ((byte as i8) >> 7) as u8
}

/// Where the records are in each payload: `each` of `size` bytes, from `begin` on.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub begin: usize,
    pub size: usize,
    pub each: usize,
}

impl Places {
    /// Whether payloads of this size have all of the records.
    pub fn fit(&self, payload: usize) -> bool {
        let end = self.size.checked_mul(self.each).and_then(|all| all.checked_add(self.begin));
        self.size > 0 && self.each > 0 && end.is_some_and(|end| end <= payload)
    }

    #[inline(always)]
    fn record<'a>(&self, payload: &'a [u8], index: usize) -> &'a [u8] {
        &payload[self.begin + index * self.size..][..self.size]
    }
}

/// Whether all records are as demanded; `columns` are then filled from payload `first` on.
///
/// The payloads have one size, into which everything fits, and each column has room for all of them.
pub fn take_block(
    payloads: &[&[u8]],
    places: Places,
    demands: &Demands<'_>,
    columns: &mut [(Column, &mut [u8])],
    first: usize,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_instructions(
            payloads: &[&[u8]],
            places: Places,
            demands: &Demands<'_>,
            columns: &mut [(Column, &mut [u8])],
            first: usize,
        ) -> bool {
            take_here(payloads, places, demands, columns, first)
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the instructions are there.
            return unsafe { with_instructions(payloads, places, demands, columns, first) };
        }
    }
    take_here(payloads, places, demands, columns, first)
}

#[inline(always)]
fn take_here(
    payloads: &[&[u8]],
    places: Places,
    demands: &Demands<'_>,
    columns: &mut [(Column, &mut [u8])],
    first: usize,
) -> bool {
    // Loops here and no iterator's methods: those are not compiled for the caller's instructions.
    let demanding = !demands.mask.is_empty() || !demands.signs.is_empty();
    for payload in if demanding { payloads } else { &[] } {
        for index in 0..places.each {
            if !demands.met(places.record(payload, index)) {
                return false;
            }
        }
    }
    for (column, out) in columns {
        let (begin, count) = (first * places.each, payloads.len() * places.each);
        let out = &mut out[begin * column.width..(begin + count) * column.width];
        fill(payloads, places, *column, out);
    }
    true
}

/// The sizes that tables have are known when this is compiled; any other takes the last arm.
#[inline(always)]
fn fill(payloads: &[&[u8]], places: Places, column: Column, out: &mut [u8]) {
    let Column { kind, size, width, .. } = column;
    match (kind, size, width) {
        (Kind::Bytes, 32, _) => put::<32>(payloads, places, column, out, copy),
        (Kind::Bytes, _, _) => put_any(payloads, places, column, out),
        (_, 32, 32) => put::<32>(payloads, places, column, out, turn_words::<4>),
        (_, 24, 32) => put::<32>(payloads, places, column, out, turn_words::<3>),
        (_, 16, 32) => put::<32>(payloads, places, column, out, turn_words::<2>),
        (_, 8, 8) => put::<8>(payloads, places, column, out, turn::<8, 8>),
        (_, 4, 8) => put::<8>(payloads, places, column, out, turn::<4, 8>),
        (_, 4, 4) => put::<4>(payloads, places, column, out, turn::<4, 4>),
        (_, 2, 2) => put::<2>(payloads, places, column, out, turn::<2, 2>),
        (_, 1, 1) => put::<1>(payloads, places, column, out, turn::<1, 1>),
        _ => put_any(payloads, places, column, out),
    }
}

/// Each record's bytes to its cell of `WIDTH` bytes.
#[inline(always)]
fn put<const WIDTH: usize>(
    payloads: &[&[u8]],
    places: Places,
    column: Column,
    out: &mut [u8],
    to_cell: impl Fn(&[u8], Kind, &mut [u8; WIDTH]),
) {
    let cells = out.as_chunks_mut::<WIDTH>().0;
    for (number, payload) in payloads.iter().enumerate() {
        for index in 0..places.each {
            let bytes = &places.record(payload, index)[column.at..column.at + column.size];
            to_cell(bytes, column.kind, &mut cells[number * places.each + index]);
        }
    }
}

#[inline(always)]
fn copy(bytes: &[u8], _: Kind, cell: &mut [u8; 32]) {
    cell.copy_from_slice(bytes);
}

/// A number of so many words of eight bytes, as four.
#[inline(always)]
fn turn_words<const WORDS: usize>(bytes: &[u8], kind: Kind, cell: &mut [u8; 32]) {
    let words = &bytes.as_chunks::<8>().0[..WORDS];
    let mut number = [[beyond(bytes, kind); 8]; 4];
    for i in 0..WORDS {
        number[i] = u64::from_be_bytes(words[WORDS - 1 - i]).to_le_bytes();
    }
    cell.copy_from_slice(number.as_flattened());
}

/// A number of up to eight bytes.
#[inline(always)]
fn turn<const SIZE: usize, const WIDTH: usize>(bytes: &[u8], kind: Kind, cell: &mut [u8; WIDTH]) {
    let mut number = u64::from_le_bytes([beyond(bytes, kind); 8]);
    for byte in &bytes[..SIZE] {
        number = number << 8 | u64::from(*byte);
    }
    cell.copy_from_slice(&number.to_le_bytes()[..WIDTH]);
}

#[inline(always)]
fn put_any(payloads: &[&[u8]], places: Places, column: Column, out: &mut [u8]) {
    let mut cells = out.chunks_exact_mut(column.width);
    for payload in payloads {
        for (index, cell) in (0..places.each).zip(&mut cells) {
            let bytes = &places.record(payload, index)[column.at..column.at + column.size];
            if column.kind == Kind::Bytes {
                cell.copy_from_slice(bytes);
                continue;
            }
            cell.fill(beyond(bytes, column.kind));
            for (to, from) in cell.iter_mut().zip(bytes.iter().rev()) {
                *to = *from;
            }
        }
    }
}

/// The bytes of a cell beyond those of the number.
#[inline(always)]
fn beyond(bytes: &[u8], kind: Kind) -> u8 {
    if kind == Kind::Signed { sign_of(bytes[0]) } else { 0 }
}
