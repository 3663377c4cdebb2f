//! `records` for Python. The interpreter's lock is held: a call takes microseconds, and nothing else
//! may change a list or a buffer meanwhile.

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::records::{BLOCK, Column, Demands, Kind, Places, take_block};

/// Where a column is in a record, its width, its kind (`b`, `u` or `i`), and its memory, which is a
/// buffer of Arrow: those say that their bytes have signs.
type Wanted = (usize, usize, usize, char, PyBuffer<i8>);

/// Payloads of one size.
enum Payloads<'py> {
    Buffer(PyBuffer<u8>),
    List(Bound<'py, PyList>),
}

/// Takes apart records of payloads, and says whether all of them are as demanded. If not, the memory
/// of the columns has no meaning.
///
/// `payloads` are a list of bytes of this size, or a buffer of payloads one after the other. Each has
/// `each` records of `record` bytes from `begin` on. Further see `Demands` and `Column`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn take_apart(
    payloads: &Bound<'_, PyAny>,
    size: usize,
    begin: usize,
    record: usize,
    each: usize,
    template: &[u8],
    mask: &[u8],
    signs: Vec<(usize, usize)>,
    columns: Vec<Wanted>,
) -> PyResult<bool> {
    let demands = Demands { template, mask, signs: &signs };
    let places = Places { begin, size: record, each };
    if !places.fit(size) || !demands.fit(record) {
        return Err(PyValueError::new_err("no such records in payloads of this size"));
    }
    let payloads = Payloads::of(payloads)?;
    let count = payloads.count(size);
    if count == 0 {
        return Ok(true);
    }
    let mut filled = filled(&columns, &payloads, record, count * each)?;
    let together = (BLOCK / each).max(1);
    for first in (0..count).step_by(together) {
        let last = count.min(first + together);
        let taken = payloads.with(size, first, last, |payloads| {
            take_block(payloads, places, &demands, &mut filled, first)
        });
        if !taken {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The bytes of hex texts in `memory`, `size` of them a text, one after the other. False if an item
/// is no text of so many bytes; the memory has no meaning then.
#[pyfunction]
pub fn unhex_many(texts: &Bound<'_, PyList>, size: usize, memory: PyBuffer<u8>) -> PyResult<bool> {
    let usable = !memory.readonly() && memory.is_c_contiguous();
    if size == 0 || !usable || size.checked_mul(texts.len()) != Some(memory.item_count()) {
        return Err(PyValueError::new_err("memory that does not fit"));
    }
    if texts.is_empty() {
        return Ok(true);
    }
    // SAFETY: the memory is contiguous, of bytes, and nothing else is using it: the lock is held.
    let out = unsafe {
        std::slice::from_raw_parts_mut(memory.buf_ptr().cast::<u8>(), memory.item_count())
    };
    for (item, bytes) in texts.iter().zip(out.chunks_exact_mut(size)) {
        let Ok(text) = item.cast_exact::<PyString>() else { return Ok(false) };
        let read = text.to_str().is_ok_and(|text| const_hex::decode_to_slice(text, bytes).is_ok());
        if !read {
            return Ok(false);
        }
    }
    Ok(true)
}

impl<'py> Payloads<'py> {
    fn of(given: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(list) = given.cast::<PyList>() {
            return Ok(Self::List(list.clone()));
        }
        let buffer = PyBuffer::get(given)?;
        if buffer.is_c_contiguous() {
            Ok(Self::Buffer(buffer))
        } else {
            Err(PyValueError::new_err("payloads that are not one after the other"))
        }
    }

    fn count(&self, size: usize) -> usize {
        match self {
            Self::Buffer(buffer) => buffer.item_count() / size,
            Self::List(list) => list.len(),
        }
    }

    /// Calls `take` with some of the payloads; false if one is not bytes, or of another size.
    fn with(
        &self,
        size: usize,
        first: usize,
        last: usize,
        take: impl FnOnce(&[&[u8]]) -> bool,
    ) -> bool {
        match self {
            Self::Buffer(buffer) => {
                let all = bytes_of(buffer);
                take(&all[first * size..last * size].chunks_exact(size).collect::<Vec<_>>())
            }
            Self::List(list) => {
                let items: Vec<_> = (first..last).map_while(|i| list.get_item(i).ok()).collect();
                let rows: Vec<&[u8]> = items
                    .iter()
                    .filter_map(|item| item.cast_exact::<PyBytes>().ok())
                    .map(|bytes| bytes.as_bytes())
                    .filter(|bytes| bytes.len() == size)
                    .collect();
                rows.len() == last - first && take(&rows)
            }
        }
    }
}

fn bytes_of(buffer: &PyBuffer<u8>) -> &[u8] {
    // SAFETY: the memory is contiguous, of bytes, and stays while the buffer is borrowed. Nothing
    // writes to it: the lock is held, and `filled` makes sure that no column is there.
    unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.item_count()) }
}

/// The columns with their memory, which fits: none is read-only, too small, or in another's.
fn filled<'a>(
    columns: &'a [Wanted],
    payloads: &Payloads<'_>,
    record: usize,
    count: usize,
) -> PyResult<Vec<(Column, &'a mut [u8])>> {
    let mut taken = vec![match payloads {
        Payloads::Buffer(buffer) => place_of(buffer),
        Payloads::List(_) => (0, 0),
    }];
    let mut found = Vec::with_capacity(columns.len());
    for (at, size, width, kind, memory) in columns {
        let column = Column { at: *at, size: *size, width: *width, kind: kind_of(*kind)? };
        let room = width.checked_mul(count) == Some(memory.item_count());
        let (begin, end) = place_of(memory);
        let apart = taken.iter().all(|&(from, to)| end <= from || to <= begin);
        let usable = !memory.readonly() && memory.is_c_contiguous() && apart;
        if !(column.fits(record) && room && usable) {
            return Err(PyValueError::new_err("a column that does not fit"));
        }
        taken.push((begin, end));
        // SAFETY: as above; and no other slice is of this memory.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.buf_ptr().cast(), end - begin) };
        found.push((column, bytes));
    }
    Ok(found)
}

fn place_of<T: Element>(buffer: &PyBuffer<T>) -> (usize, usize) {
    let begin = buffer.buf_ptr() as usize;
    (begin, begin + buffer.item_count())
}

fn kind_of(kind: char) -> PyResult<Kind> {
    match kind {
        'b' => Ok(Kind::Bytes),
        'u' => Ok(Kind::Unsigned),
        'i' => Ok(Kind::Signed),
        _ => Err(PyValueError::new_err("unknown kind of column")),
    }
}
