//! `records` for Python. The interpreter's lock is held: a call takes microseconds, and nothing else
//! may change a list or a buffer meanwhile.

use std::ops::Range;
use std::ptr::null_mut;

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::records::{Column, Demands, Kind, Layout, Way};

/// The bytes of a block, about: a sixth of the nearest cache, where its columns are, too.
const BLOCK: usize = 8192;

/// Where a column is in a record, its width, its kind (`b`, `u` or `i`), and its memory, which is a
/// buffer of Arrow: those say that their bytes have signs.
type Wanted = (usize, usize, usize, char, PyBuffer<i8>);

/// Payloads of one size.
enum Payloads<'py> {
    Buffer(PyBuffer<u8>),
    List(Bound<'py, PyList>),
}

/// Where the records are in each payload: `each` of `record` bytes, from `begin` on.
#[derive(Clone, Copy)]
struct Places {
    begin: usize,
    record: usize,
    each: usize,
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
    mut columns: Vec<Wanted>,
) -> PyResult<bool> {
    let places = Places { begin, record, each };
    let demands = Demands { template, mask, signs: &signs };
    if !places.fit(size) || !demands.fit(record) {
        return Err(PyValueError::new_err("no such records in payloads of this size"));
    }
    let payloads = Payloads::of(payloads)?;
    let count = payloads.count(size);
    let taken = columns.iter().map(column_of).collect::<PyResult<Vec<_>>>()?;
    let layout = Layout::of(record, &demands, taken).ok_or_else(no_fit)?;
    let mut memory = memory_of(&mut columns, &payloads, count * each)?;
    let (way, together) = (Way::all()[0], (BLOCK / size).max(1));
    let mut records = Vec::with_capacity(together * each);
    for first in (0..count).step_by(together) {
        records.clear();
        let block = first..count.min(first + together);
        if !payloads.records(size, block, places, &mut records)
            || !layout.take(way, &records, &mut memory, first * each)
        {
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

    /// Adds the records of some payloads; false if one is not bytes, or of another size.
    fn records<'a>(
        &'a self,
        size: usize,
        block: Range<usize>,
        places: Places,
        records: &mut Vec<&'a [u8]>,
    ) -> bool {
        match self {
            Self::Buffer(buffer) => {
                let payloads = &bytes_of(buffer)[block.start * size..block.end * size];
                payloads.chunks_exact(size).for_each(|payload| places.add(payload, records));
                true
            }
            Self::List(list) => block.into_iter().all(|index| {
                let payload = item_of(list, index).filter(|bytes| bytes.len() == size);
                payload.map(|payload| places.add(payload, records)).is_some()
            }),
        }
    }
}

impl Places {
    /// Whether payloads of this size have all of the records.
    fn fit(self, payload: usize) -> bool {
        let end = self.record.checked_mul(self.each).and_then(|all| all.checked_add(self.begin));
        self.record > 0 && self.each > 0 && end.is_some_and(|end| end <= payload)
    }

    #[inline]
    fn add<'a>(self, payload: &'a [u8], records: &mut Vec<&'a [u8]>) {
        for index in 0..self.each {
            let at = self.begin + index * self.record;
            records.push(&payload[at..at + self.record]);
        }
    }
}

/// The bytes that stand in a list, None for anything else.
///
/// Counting references, as a `Bound` does, would write to each payload's memory.
#[inline]
fn item_of<'a>(list: &'a Bound<'_, PyList>, index: usize) -> Option<&'a [u8]> {
    let (mut bytes, mut size) = (null_mut(), 0);
    // SAFETY: the list is borrowed and the lock held, so that its items stay. The index is within
    // the list, since nothing else may change it. Only objects of the type itself are read.
    unsafe {
        let item = ffi::PyList_GetItem(list.as_ptr(), index as ffi::Py_ssize_t);
        if ffi::PyBytes_CheckExact(item) == 0 {
            return None;
        }
        ffi::PyBytes_AsStringAndSize(item, &raw mut bytes, &raw mut size);
        Some(std::slice::from_raw_parts(bytes.cast(), size as usize))
    }
}

fn bytes_of(buffer: &PyBuffer<u8>) -> &[u8] {
    // SAFETY: the memory is contiguous, of bytes, and stays while the buffer is borrowed. Nothing
    // writes to it: the lock is held, and `memory_of` makes sure that no column is there.
    unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.item_count()) }
}

fn column_of((at, size, width, kind, _): &Wanted) -> PyResult<Column> {
    let kind = match kind {
        'b' => Kind::Bytes,
        'u' => Kind::Unsigned,
        'i' => Kind::Signed,
        _ => return Err(no_fit()),
    };
    Ok(Column { at: *at, size: *size, width: *width, kind })
}

/// The columns' memory, which fits: none is read-only, too small, or in another's.
fn memory_of<'a>(
    columns: &'a mut [Wanted],
    payloads: &Payloads<'_>,
    count: usize,
) -> PyResult<Vec<&'a mut [u8]>> {
    let mut taken = vec![match payloads {
        Payloads::Buffer(buffer) => place_of(buffer),
        Payloads::List(_) => (0, 0),
    }];
    let mut found = Vec::with_capacity(columns.len());
    for (_, _, width, _, memory) in columns {
        let room = width.checked_mul(count) == Some(memory.item_count());
        let (begin, end) = place_of(memory);
        let apart = taken.iter().all(|&(from, to)| end <= from || to <= begin);
        if !room || !apart || memory.readonly() || !memory.is_c_contiguous() {
            return Err(no_fit());
        }
        taken.push((begin, end));
        // SAFETY: as above; and no other slice is of this memory.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.buf_ptr().cast(), end - begin) };
        found.push(bytes);
    }
    Ok(found)
}

fn place_of<T: Element>(buffer: &PyBuffer<T>) -> (usize, usize) {
    let begin = buffer.buf_ptr() as usize;
    (begin, begin + buffer.item_count())
}

fn no_fit() -> PyErr {
    PyValueError::new_err("a column that does not fit")
}
