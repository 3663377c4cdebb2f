//! Records of one size, checked and taken apart into columns in one pass over their bytes.
//!
//! A record is compared with a template under a mask, and signed words must repeat their sign. Then
//! each column gets its bytes, or its number: big-endian in the record, little-endian and as wide as
//! the column in the column. A number is as narrow as its column or narrower.
//!
//! Records come in blocks, which stay in the nearest cache from the check to the last column. Then
//! memory is the bound: all bytes are read once, and all columns written once. Columns are written
//! as usual, not past the caches: that took a fifth less, and reading a column twice as long.

/// What every record must have.
pub struct Demands<'a> {
    /// Under the mask a record has the template's bytes. Both are as long as a record, or empty.
    pub template: &'a [u8],
    pub mask: &'a [u8],
    /// So many bytes at that place all repeat the sign of the number after them.
    pub signs: &'a [(usize, usize)],
}

impl Demands<'_> {
    /// Whether records of this size have everything that is asked for.
    pub fn fit(&self, record: usize) -> bool {
        let signs =
            |&(at, size): &(usize, usize)| at.checked_add(size).is_some_and(|end| end < record);
        let plain = self.template.is_empty() || self.template.len() == record;
        plain && self.mask.len() == self.template.len() && self.signs.iter().all(signs)
    }

    /// The words of which the mask has anything. The last ends where the record does.
    fn words(&self) -> Vec<Word> {
        let last = self.mask.len().saturating_sub(WORD);
        let begins = (0..self.mask.len()).step_by(WORD).map(|at| at.min(last));
        let word = |at| Word {
            at,
            template: padded(&self.template[at..]),
            mask: padded(&self.mask[at..]),
        };
        begins.map(word).filter(|word| word.mask != [0; 8]).collect()
    }
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
    fn fits(&self, record: usize) -> bool {
        let inside = self.at.checked_add(self.size).is_some_and(|end| end <= record);
        let room = self.kind != Kind::Bytes || self.size == self.width;
        inside && room && 0 < self.size && self.size <= self.width
    }
}

/// The bytes that are compared at once.
const WORD: usize = 64;

/// A record has the template's bytes there, under the mask.
struct Word {
    at: usize,
    template: [u64; 8],
    mask: [u64; 8],
}

/// The first bytes, and zeros if there are fewer than a word has.
fn padded(bytes: &[u8]) -> [u64; 8] {
    let mut word = [0; WORD];
    let count = bytes.len().min(WORD);
    word[..count].copy_from_slice(&bytes[..count]);
    numbers(&word)
}

#[inline(always)]
fn numbers(word: &[u8; WORD]) -> [u64; 8] {
    let mut numbers = [0; 8];
    for (number, bytes) in numbers.iter_mut().zip(word.as_chunks::<8>().0) {
        *number = u64::from_ne_bytes(*bytes);
    }
    numbers
}

/// The instructions that this file is compiled for. Both give the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// A sixth faster than without them. Wider vectors would save a twenty-fifth more.
    Avx2,
    Portable,
}

impl Way {
    /// The ways that this machine has, the fastest first.
    pub fn all() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return &[Self::Avx2, Self::Portable];
        }
        &[Self::Portable]
    }
}

/// What records of one size must have, and their columns. All of it fits into such records.
pub struct Layout {
    record: usize,
    words: Vec<Word>,
    signs: Vec<(usize, usize)>,
    columns: Vec<Column>,
}

impl Layout {
    /// None if something does not fit.
    pub fn of(record: usize, demands: &Demands<'_>, columns: Vec<Column>) -> Option<Self> {
        let fits = demands.fit(record) && columns.iter().all(|column| column.fits(record));
        fits.then(|| Self {
            record,
            words: demands.words(),
            signs: demands.signs.to_vec(),
            columns,
        })
    }

    /// Whether all records are as demanded; their cells are then filled, from the cell `first` on.
    ///
    /// Each column has memory, with room for them.
    pub fn take(
        &self,
        way: Way,
        records: &[&[u8]],
        memory: &mut [&mut [u8]],
        first: usize,
    ) -> bool {
        assert!(records.iter().all(|record| record.len() == self.record));
        match way {
            Way::Avx2 => take_with_avx2(self, records, memory, first),
            Way::Portable => take(self, records, memory, first),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn take_with_avx2(
    layout: &Layout,
    records: &[&[u8]],
    memory: &mut [&mut [u8]],
    first: usize,
) -> bool {
    #[target_feature(enable = "avx2")]
    fn with_instructions(
        layout: &Layout,
        records: &[&[u8]],
        memory: &mut [&mut [u8]],
        first: usize,
    ) -> bool {
        take(layout, records, memory, first)
    }
    assert!(Way::all().contains(&Way::Avx2));
    // SAFETY: the instructions are here.
    unsafe { with_instructions(layout, records, memory, first) }
}

#[cfg(not(target_arch = "x86_64"))]
use take as take_with_avx2;

// Loops from here on, and few methods of iterators: those are not compiled for AVX2.

#[inline(always)]
fn take(layout: &Layout, records: &[&[u8]], memory: &mut [&mut [u8]], first: usize) -> bool {
    if !have_words(records, layout) || !have_signs(records, &layout.signs) {
        return false;
    }
    for (column, cells) in layout.columns.iter().zip(memory) {
        let end = (first + records.len()) * column.width;
        fill(records, *column, &mut cells[first * column.width..end]);
    }
    true
}

#[inline(always)]
fn have_words(records: &[&[u8]], layout: &Layout) -> bool {
    let mut differs = [0; 8];
    for record in records {
        for word in &layout.words {
            let found = if layout.record < WORD {
                padded(record)
            } else {
                // SAFETY: the word is in the record.
                numbers(unsafe { bytes_at(record, word.at) })
            };
            for i in 0..8 {
                differs[i] |= (found[i] ^ word.template[i]) & word.mask[i];
            }
        }
    }
    differs == [0; 8]
}

/// It stops at the first that differs. A loop to the end would become vectors, which take longer.
#[inline(always)]
fn have_signs(records: &[&[u8]], signs: &[(usize, usize)]) -> bool {
    for record in records {
        for &(at, size) in signs {
            let is_repeated = if size == 8 {
                // SAFETY: the number behind its sign is in the record.
                let [sign @ .., first]: &[u8; 9] = unsafe { bytes_at(record, at) };
                i64::from_ne_bytes(*sign) == i64::from(sign_of(*first))
            } else {
                let sign = sign_of(record[at + size]) as u8;
                record[at..at + size].iter().all(|byte| *byte == sign)
            };
            if !is_repeated {
                return false;
            }
        }
    }
    true
}

/// All bits as the highest of these.
#[inline(always)]
fn sign_of(byte: u8) -> i8 {
    byte as i8 >> 7
}

/// Bytes of a record.
///
/// # Safety
/// They are in the record.
#[inline(always)]
unsafe fn bytes_at<const SIZE: usize>(record: &[u8], at: usize) -> &[u8; SIZE] {
    debug_assert!(at + SIZE <= record.len());
    unsafe { &*record.as_ptr().add(at).cast() }
}

/// The sizes that tables have are known when this is compiled; any other takes the last arm.
#[inline(always)]
fn fill(records: &[&[u8]], column: Column, cells: &mut [u8]) {
    let Column { kind, size, width, .. } = column;
    match (kind, size, width) {
        (Kind::Bytes, 32, _) => put_bytes::<32>(records, column, cells),
        (Kind::Bytes, 27, _) => put_bytes::<27>(records, column, cells),
        (Kind::Bytes, _, _) if size % 32 == 0 => put_words(records, column, cells),
        (Kind::Bytes, _, _) => put_any(records, column, cells),
        (_, 32, 32) => put::<32, 32, false>(records, column, cells),
        (Kind::Signed, 24, 32) => put::<24, 32, true>(records, column, cells),
        (Kind::Signed, 16, 32) => put::<16, 32, true>(records, column, cells),
        (Kind::Unsigned, 24, 32) => put::<24, 32, false>(records, column, cells),
        (Kind::Unsigned, 16, 32) => put::<16, 32, false>(records, column, cells),
        (Kind::Unsigned, 4, 8) => put::<4, 8, false>(records, column, cells),
        (_, 8, 8) => put::<8, 8, false>(records, column, cells),
        (_, 4, 4) => put::<4, 4, false>(records, column, cells),
        (_, 2, 2) => put::<2, 2, false>(records, column, cells),
        (_, 1, 1) => put::<1, 1, false>(records, column, cells),
        _ => put_any(records, column, cells),
    }
}

#[inline(always)]
fn put_bytes<const SIZE: usize>(records: &[&[u8]], column: Column, cells: &mut [u8]) {
    for (record, cell) in records.iter().zip(cells.as_chunks_mut::<SIZE>().0) {
        // SAFETY: the column is in the record.
        *cell = *unsafe { bytes_at(record, column.at) };
    }
}

/// Numbers with their last bytes first. Only where a cell is wider does it matter whether they are
/// signed.
#[inline(always)]
fn put<const SIZE: usize, const WIDTH: usize, const IS_SIGNED: bool>(
    records: &[&[u8]],
    column: Column,
    cells: &mut [u8],
) {
    for (record, cell) in records.iter().zip(cells.as_chunks_mut::<WIDTH>().0) {
        // SAFETY: the column is in the record.
        let bytes: &[u8; SIZE] = unsafe { bytes_at(record, column.at) };
        let mut turned = [if IS_SIGNED { sign_of(bytes[0]) as u8 } else { 0 }; WIDTH];
        for i in 0..SIZE {
            turned[i] = bytes[SIZE - 1 - i];
        }
        *cell = turned;
    }
}

/// Bytes of a multiple of 32: to call something for each would take longer than to copy them.
#[inline(always)]
fn put_words(records: &[&[u8]], column: Column, cells: &mut [u8]) {
    for (record, cell) in records.iter().zip(cells.chunks_exact_mut(column.width)) {
        let (pairs, rest) = cell.as_chunks_mut::<64>();
        let mut at = column.at;
        for pair in pairs {
            // SAFETY: as in `put`.
            *pair = *unsafe { bytes_at(record, at) };
            at += 64;
        }
        if let Some(word) = rest.first_chunk_mut::<32>() {
            // SAFETY: as in `put`.
            *word = *unsafe { bytes_at(record, at) };
        }
    }
}

#[inline(always)]
fn put_any(records: &[&[u8]], column: Column, cells: &mut [u8]) {
    for (record, cell) in records.iter().zip(cells.chunks_exact_mut(column.width)) {
        let bytes = &record[column.at..column.at + column.size];
        if column.kind == Kind::Bytes {
            cell.copy_from_slice(bytes);
            continue;
        }
        cell.fill(if column.kind == Kind::Signed { sign_of(bytes[0]) as u8 } else { 0 });
        for (to, from) in cell.iter_mut().zip(bytes.iter().rev()) {
            *to = *from;
        }
    }
}
