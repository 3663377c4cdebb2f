//! `lines` for Python. The interpreter's lock is held, so that nothing changes a buffer meanwhile.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::lines::{self, Held, Shape, Span};

/// Where a span begins and ends in a line, what it holds (`n`, `d` or `b`), and the memory for it.
type Wanted = (usize, usize, char, PyBuffer<u8>);

/// Reads the lines that begin at these places of a block, and says with a 1 in `good` which of them
/// have the exemplar's shape. Memory for any other line has no meaning.
#[pyfunction]
pub fn read_lines(
    block: &[u8],
    starts: PyBuffer<i64>,
    exemplar: &[u8],
    spans: Vec<Wanted>,
    good: PyBuffer<u8>,
) -> PyResult<()> {
    let found = spans
        .iter()
        .map(|&(begin, end, kind, _)| Ok(Span { begin, end, held: held(kind)? }))
        .collect::<PyResult<Vec<_>>>()?;
    let shape = Shape::of(exemplar, found).ok_or_else(|| wrong("spans that do not fit"))?;
    let starts = numbers(&starts)?;
    let mut columns = Vec::with_capacity(spans.len() + 1);
    let mut taken = vec![place(block.as_ptr(), block.len())];
    taken.push(place(starts.as_ptr().cast(), size_of_val(starts)));
    for ((.., memory), span) in spans.iter().zip(shape.spans()) {
        columns.push(filled(memory, starts.len(), span.width(), &mut taken)?);
    }
    let good = filled(&good, starts.len(), 1, &mut taken)?;
    let mut rows: Vec<_> = columns
        .into_iter()
        .zip(shape.spans())
        .map(|(column, span)| column.chunks_exact_mut(span.width()))
        .collect();
    let mut cells: Vec<&mut [u8]> = Vec::with_capacity(rows.len());
    for (start, good) in starts.iter().zip(good) {
        cells.clear();
        cells.extend(rows.iter_mut().filter_map(Iterator::next));
        let line = usize::try_from(*start)
            .ok()
            .and_then(|start| block.get(start..start.checked_add(shape.size())?))
            .ok_or_else(|| wrong("a line beyond the block"))?;
        *good = shape.read(line, &mut cells).into();
    }
    Ok(())
}

/// Where the lines of a block end: numbers of eight bytes.
#[pyfunction]
pub fn line_ends<'py>(py: Python<'py>, block: &[u8]) -> Bound<'py, PyBytes> {
    let ends: Vec<u8> =
        lines::line_ends(block).flat_map(|end| (end as u64).to_le_bytes()).collect();
    PyBytes::new(py, &ends)
}

/// How many lines end in a block.
#[pyfunction]
pub fn count_lines(block: &[u8]) -> usize {
    lines::line_ends(block).count()
}

/// Where these bytes begin first between two places, or -1, as `bytes.find` has it.
#[pyfunction]
pub fn find(data: &[u8], wanted: &[u8], begin: usize, end: usize) -> isize {
    let found = data.get(begin..end.min(data.len())).and_then(|part| lines::find(part, wanted));
    found.map_or(-1, |place| (begin + place) as isize)
}

/// SHA-256 of each piece of the data between two offsets that follow each other.
#[pyfunction]
pub fn sha256_many<'py>(
    py: Python<'py>,
    data: PyBuffer<u8>,
    offsets: PyBuffer<i64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let data = read(&data)?;
    let found = lines::sha256_many(data, numbers(&offsets)?);
    Ok(PyBytes::new(py, &found.ok_or_else(|| wrong("offsets beyond the data"))?))
}

/// Words of this size as texts: 0x and hex.
#[pyfunction]
pub fn hex_words<'py>(
    py: Python<'py>,
    words: PyBuffer<u8>,
    size: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let words = read(&words)?;
    if size == 0 || !words.len().is_multiple_of(size) {
        return Err(wrong("not a number of words of this size"));
    }
    let texts = words.len() / size * (2 + 2 * size);
    PyBytes::new_with(py, texts, |texts| {
        for (word, text) in words.chunks_exact(size).zip(texts.chunks_exact_mut(2 + 2 * size)) {
            text[..2].copy_from_slice(b"0x");
            const_hex::encode_to_slice(word, &mut text[2..]).map_err(|_| wrong("no room"))?;
        }
        Ok(())
    })
}

fn wrong(why: &'static str) -> PyErr {
    PyValueError::new_err(why)
}

fn held(kind: char) -> PyResult<Held> {
    match kind {
        'n' => Ok(Held::Number),
        'd' => Ok(Held::Digits),
        'b' => Ok(Held::Bytes),
        _ => Err(wrong("unknown kind of span")),
    }
}

fn read(buffer: &PyBuffer<u8>) -> PyResult<&[u8]> {
    if !buffer.is_c_contiguous() {
        return Err(wrong("bytes that are not one after the other"));
    }
    if buffer.item_count() == 0 {
        return Ok(&[]);
    }
    // SAFETY: the memory is contiguous, of bytes, and stays while the buffer is borrowed. Nothing
    // writes to it: the lock is held, and `filled` makes sure that no column is there.
    Ok(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.item_count()) })
}

fn numbers(buffer: &PyBuffer<i64>) -> PyResult<&[i64]> {
    if !buffer.is_c_contiguous() {
        return Err(wrong("numbers that are not one after the other"));
    }
    if buffer.item_count() == 0 {
        return Ok(&[]);
    }
    // SAFETY: as above; Python's buffers of numbers are aligned as `PyBuffer` has checked.
    Ok(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.item_count()) })
}

fn place(begin: *const u8, size: usize) -> (usize, usize) {
    (begin as usize, begin as usize + size)
}

/// Memory for a number of cells: not read-only, of that size, and in no other's.
#[allow(clippy::mut_from_ref)] // it is Python's memory, which the buffer only keeps alive
fn filled<'a>(
    memory: &'a PyBuffer<u8>,
    count: usize,
    width: usize,
    taken: &mut Vec<(usize, usize)>,
) -> PyResult<&'a mut [u8]> {
    let size = memory.item_count();
    let (begin, end) = place(memory.buf_ptr().cast(), size);
    let apart = taken.iter().all(|&(from, to)| end <= from || to <= begin);
    let usable = !memory.readonly() && memory.is_c_contiguous() && apart;
    if !usable || width.checked_mul(count) != Some(size) {
        return Err(wrong("memory that does not fit"));
    }
    taken.push((begin, end));
    if size == 0 {
        return Ok(&mut []);
    }
    // SAFETY: as above; and no other slice is of this memory.
    Ok(unsafe { std::slice::from_raw_parts_mut(memory.buf_ptr().cast(), size) })
}
