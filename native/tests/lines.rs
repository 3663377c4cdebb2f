//! Lines read against an exemplar, against the same one byte at a time.

mod damage;

use damage::Random;
use payloads_simd::lines::{Held, Shape, Span, find, line_ends, sha256_many};

const LINE: &[u8] = br#"{"at":1700000000000000001,"text":"{\"p\":\"0x00ffAB12\",\"n\":77}"}"#;

fn spans() -> Vec<Span> {
    let place = |wanted: &str| find(LINE, wanted.as_bytes()).unwrap();
    let (at, hex, n) = (place("17"), place("00ff"), place("77"));
    vec![
        Span { begin: at, end: at + 19, held: Held::Number },
        Span { begin: hex, end: hex + 2, held: Held::Digits },
        Span { begin: hex + 2, end: hex + 8, held: Held::Bytes },
        Span { begin: n, end: n + 2, held: Held::Number },
    ]
}

/// What `Shape::read` says, by the plainest means.
fn naive(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let spans = spans();
    let inside = |place: usize| spans.iter().any(|span| (span.begin..span.end).contains(&place));
    if (0..LINE.len()).any(|place| !inside(place) && line[place] != LINE[place]) {
        return None;
    }
    spans
        .iter()
        .map(|span| {
            let text = std::str::from_utf8(&line[span.begin..span.end]).ok()?;
            match span.held {
                Held::Number => {
                    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
                    let number: i64 = text.parse().ok().filter(|_| plain)?;
                    Some(number.to_le_bytes().to_vec())
                }
                Held::Digits => {
                    let plain = text.bytes().all(|b| b.is_ascii_hexdigit());
                    plain.then(|| text.as_bytes().to_vec())
                }
                Held::Bytes => (0..text.len() / 2)
                    .map(|i| {
                        let digits = &text[2 * i..2 * i + 2];
                        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
                        u8::from_str_radix(digits, 16).ok().filter(|_| plain)
                    })
                    .collect(),
            }
        })
        .collect()
}

fn read(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let shape = Shape::of(LINE, spans()).unwrap();
    let mut cells: Vec<Vec<u8>> = shape.spans().iter().map(|span| vec![0; span.width()]).collect();
    let mut slices: Vec<&mut [u8]> = cells.iter_mut().map(Vec::as_mut_slice).collect();
    shape.read(line, &mut slices).then_some(cells)
}

#[test]
fn lines_are_read_as_they_are_byte_by_byte() {
    assert!(read(LINE).is_some());
    let mut random = Random(5);
    let mut found = 0;
    for _ in 0..20_000 {
        let mut line = LINE.to_vec();
        for _ in 0..1 + random.below(3) {
            let place = random.below(line.len());
            line[place] = *b"0123456789abcdefABCDEFxgG/:@`\"\\ \xff".get(random.below(33)).unwrap();
        }
        assert_eq!(read(&line), naive(&line), "{}", String::from_utf8_lossy(&line));
        found += usize::from(read(&line).is_some());
    }
    assert!((500..18_000).contains(&found), "{found}");
}

#[test]
fn every_byte_may_be_every_other() {
    for place in 0..LINE.len() {
        for byte in 0..=255 {
            let mut line = LINE.to_vec();
            line[place] = byte;
            assert_eq!(read(&line), naive(&line), "{place} {byte}");
        }
    }
}

#[test]
fn numbers_beyond_63_bits_are_none() {
    let mut line = LINE.to_vec();
    for (digits, good) in [
        (b"9223372036854775807", true),
        (b"9223372036854775808", false),
        (b"9999999999999999999", false),
    ] {
        line[6..25].copy_from_slice(digits);
        assert_eq!(read(&line).is_some(), good);
    }
}

#[test]
fn spans_that_do_not_fit_are_refused() {
    let span = |begin, end, held| Span { begin, end, held };
    for spans in [
        vec![span(3, 3, Held::Number)],
        vec![span(0, LINE.len() + 1, Held::Digits)],
        vec![span(0, 3, Held::Bytes)],
        vec![span(4, 6, Held::Digits), span(5, 7, Held::Digits)],
    ] {
        assert!(Shape::of(LINE, spans).is_none());
    }
}

#[test]
fn ends_and_hashes() {
    assert_eq!(line_ends(b"a\n\nbc\nd").collect::<Vec<_>>(), [1, 2, 5]);
    let digests = sha256_many(b"abcabc", &[0, 3, 3, 6]).unwrap();
    assert_eq!(digests[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert_eq!(digests[32..36], [0xe3, 0xb0, 0xc4, 0x42]); // of nothing
    assert_eq!(digests[..32], digests[64..]);
    assert!(sha256_many(b"abc", &[0, 4]).is_none());
    assert!(sha256_many(b"abc", &[2, 1]).is_none());
    assert!(sha256_many(b"abc", &[-1, 1]).is_none());
}
