//! Lines of text that differ in nothing but digits, read against an exemplar of them.
//!
//! A `Shape` is a line with spans in it. Another line has the shape if it has the same bytes outside
//! of the spans, and the digits that each span holds. What it is good for: venues send the same JSON
//! again and again, with other numbers in it.

use sha2::{Digest, Sha256};

/// What stands in a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Decimal digits of a number from 1 to 2^63 - 1, without zeros in front.
    Number,
    /// Hex digits, which stay text.
    Digits,
    /// Hex digits of bytes.
    Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub begin: usize,
    pub end: usize,
    pub held: Held,
}

impl Span {
    /// The bytes that are kept of each line: a number takes eight.
    pub fn width(&self) -> usize {
        match self.held {
            Held::Number => 8,
            Held::Digits => self.end - self.begin,
            Held::Bytes => (self.end - self.begin) / 2,
        }
    }
}

/// An exemplar, and its spans in their order.
pub struct Shape<'a> {
    line: &'a [u8],
    spans: Vec<Span>,
    last: usize,
}

impl<'a> Shape<'a> {
    /// None if the spans are not one after the other in the line, or hold half a byte.
    pub fn of(line: &'a [u8], spans: Vec<Span>) -> Option<Self> {
        let mut last = 0;
        for span in &spans {
            let even = span.held != Held::Bytes || (span.end - span.begin) % 2 == 0;
            if span.begin < last || span.end <= span.begin || span.end > line.len() || !even {
                return None;
            }
            last = span.end;
        }
        Some(Self { line, spans, last })
    }

    pub fn size(&self) -> usize {
        self.line.len()
    }

    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether the line, which is as long as the exemplar, has its shape. `cells` are then filled:
    /// a cell of its width for each span.
    pub fn read(&self, line: &[u8], cells: &mut [&mut [u8]]) -> bool {
        let mut begin = 0;
        for span in &self.spans {
            if line[begin..span.begin] != self.line[begin..span.begin] {
                return false;
            }
            begin = span.end;
        }
        if line[self.last..] != self.line[self.last..] {
            return false;
        }
        self.spans.iter().zip(cells).all(|(span, cell)| {
            let text = &line[span.begin..span.end];
            match span.held {
                Held::Number => number(text).is_some_and(|found| {
                    cell.copy_from_slice(&found.to_le_bytes());
                    true
                }),
                Held::Digits => {
                    cell.copy_from_slice(text);
                    text.iter().all(u8::is_ascii_hexdigit)
                }
                // A 0x in front is not skipped: too few digits would be left.
                Held::Bytes => const_hex::decode_to_slice(text, cell).is_ok(),
            }
        })
    }
}

fn number(text: &[u8]) -> Option<i64> {
    if text[0] == b'0' || text.len() > 19 {
        return None;
    }
    let mut found = 0u64; // nineteen digits fit
    for digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        found = found * 10 + u64::from(digit - b'0');
    }
    i64::try_from(found).ok()
}

/// Where lines end.
pub fn line_ends(data: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr_iter(b'\n', data)
}

/// Where these bytes begin first.
pub fn find(data: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(data, wanted)
}

/// SHA-256 of each piece of the data between two offsets that follow each other; None for offsets
/// that are not in it.
pub fn sha256_many(data: &[u8], offsets: &[i64]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(32 * offsets.len().saturating_sub(1));
    for pair in offsets.windows(2) {
        let (begin, end) = (usize::try_from(pair[0]).ok()?, usize::try_from(pair[1]).ok()?);
        out.extend_from_slice(&Sha256::digest(data.get(begin..end)?));
    }
    Some(out)
}
