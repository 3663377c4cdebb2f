//! The Python module. The interpreter's lock is released while signatures are recovered.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyList, PySequence};

use crate::dispatch::{Flagged, Implementation, answers, fastest, has_vectors, hashes, recover};
use crate::engine::{Address, Answer, Signatures};
use crate::python_lines::{count_lines, find, hex_words, line_ends, read_lines, sha256_many};
use crate::python_records::{take_apart, unhex_many};

/// "portable" is for tests.
fn chosen(name: Option<&str>, count: usize) -> PyResult<Implementation> {
    match name {
        None => Ok(fastest(count)),
        Some("vector") if has_vectors() => Ok(Implementation::Vector),
        Some("vector") => Err(PyValueError::new_err("this machine lacks the instructions")),
        Some("portable") => Ok(Implementation::Portable),
        Some("libsecp256k1") => Ok(Implementation::Libsecp256k1),
        Some(other) => Err(PyValueError::new_err(format!("unknown implementation: {other}"))),
    }
}

/// The words of a sequence, one after the other.
fn joined(words: &Bound<'_, PyAny>, count: usize) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(32 * count);
    let mut push = |word: &Bound<'_, PyAny>| -> PyResult<()> {
        let bytes: &[u8] = word.extract()?;
        if bytes.len() != 32 {
            return Err(PyValueError::new_err("a word must have 32 bytes"));
        }
        out.extend_from_slice(bytes);
        Ok(())
    };
    if let Ok(list) = words.cast::<PyList>() {
        for word in list.iter() {
            push(&word)?;
        }
    } else {
        for word in words.cast::<PySequence>()?.try_iter()? {
            push(&word?)?;
        }
    }
    if out.len() != 32 * count {
        return Err(PyValueError::new_err("columns of different lengths"));
    }
    Ok(out)
}

/// Recovery ids; what does not fit a byte becomes one that never recovers.
fn ids(vs: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = vs.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    vs.try_iter()?.map(|v| Ok(v?.extract::<u8>().unwrap_or(u8::MAX))).collect()
}

/// A list of addresses, each 20 bytes or None; with `leave_flagged`, False where only libsecp256k1
/// can say, which was not asked.
#[pyfunction]
#[pyo3(signature = (digests, rs, ss, vs, threads = 0, implementation = None, leave_flagged = false))]
#[allow(clippy::too_many_arguments)]
fn recover_many<'py>(
    py: Python<'py>,
    digests: &Bound<'py, PyAny>,
    rs: &Bound<'py, PyAny>,
    ss: &Bound<'py, PyAny>,
    vs: &Bound<'py, PyAny>,
    threads: usize,
    implementation: Option<&str>,
    leave_flagged: bool,
) -> PyResult<Bound<'py, PyList>> {
    let vs = ids(vs)?;
    let count = vs.len();
    let (digests, rs, ss) = (joined(digests, count)?, joined(rs, count)?, joined(ss, count)?);
    let implementation = chosen(implementation, count)?;
    let flagged = if leave_flagged { Flagged::Left } else { Flagged::Recovered };
    let found = py.detach(|| {
        let signatures = Signatures { digests: &digests, rs: &rs, ss: &ss, vs: &vs };
        answers(signatures, implementation, threads, flagged)
    });
    PyList::new(py, found.iter().map(|answer| shown(py, answer)))
}

fn shown<'py>(py: Python<'py>, answer: &Answer) -> Bound<'py, PyAny> {
    match answer {
        Answer::Address(address) => PyBytes::new(py, address).into_any(),
        Answer::Nothing => py.None().into_bound(py),
        Answer::Flagged => PyBool::new(py, false).to_owned().into_any(),
    }
}

/// The addresses (20 bytes each) and a byte for each: 1 for an address, 0 for none.
#[pyfunction]
#[pyo3(signature = (digests, rs, ss, vs, threads = 0, implementation = None))]
fn recover_packed<'py>(
    py: Python<'py>,
    digests: PyBuffer<u8>,
    rs: PyBuffer<u8>,
    ss: PyBuffer<u8>,
    vs: PyBuffer<u8>,
    threads: usize,
    implementation: Option<&str>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    // Copied: another thread may write to a buffer while the lock is released.
    let columns = [digests.to_vec(py)?, rs.to_vec(py)?, ss.to_vec(py)?];
    let vs = vs.to_vec(py)?;
    if columns.iter().any(|column| column.len() != 32 * vs.len()) {
        return Err(PyValueError::new_err("columns of different lengths"));
    }
    let implementation = chosen(implementation, vs.len())?;
    let answers = py.detach(|| {
        let [digests, rs, ss] = &columns;
        recover(Signatures { digests, rs, ss, vs: &vs }, implementation, threads)
    });
    let none: Address = [0; 20];
    let addresses: Vec<u8> = answers.iter().flat_map(|answer| answer.unwrap_or(none)).collect();
    let found: Vec<u8> = answers.iter().map(|answer| answer.is_some().into()).collect();
    Ok((PyBytes::new(py, &addresses), PyBytes::new(py, &found)))
}

/// The bytes of hex, with or without 0x; an error for any other text.
#[pyfunction]
fn unhex<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyBytes>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    PyBytes::new_with(py, digits.len() / 2, |bytes| {
        const_hex::decode_to_slice(text, bytes).map_err(|_| PyValueError::new_err("not hex"))
    })
}

/// keccak-256 of each `size` bytes, one digest after the other.
#[pyfunction]
fn keccak_many<'py>(py: Python<'py>, data: &[u8], size: usize) -> PyResult<Bound<'py, PyBytes>> {
    if size == 0 || !data.len().is_multiple_of(size) {
        return Err(PyValueError::new_err("not a number of messages of this size"));
    }
    let digests = py.detach(|| hashes(data, size));
    Ok(PyBytes::new(py, digests.as_flattened()))
}

/// What batches run on here.
#[pyfunction]
fn instructions() -> &'static str {
    if has_vectors() { "AVX-512 IFMA" } else { "libsecp256k1, for want of AVX-512 IFMA" }
}

#[pymodule]
fn payloads_simd(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(recover_many, module)?)?;
    module.add_function(wrap_pyfunction!(recover_packed, module)?)?;
    module.add_function(wrap_pyfunction!(keccak_many, module)?)?;
    module.add_function(wrap_pyfunction!(unhex, module)?)?;
    module.add_function(wrap_pyfunction!(take_apart, module)?)?;
    module.add_function(wrap_pyfunction!(unhex_many, module)?)?;
    module.add_function(wrap_pyfunction!(read_lines, module)?)?;
    module.add_function(wrap_pyfunction!(line_ends, module)?)?;
    module.add_function(wrap_pyfunction!(count_lines, module)?)?;
    module.add_function(wrap_pyfunction!(find, module)?)?;
    module.add_function(wrap_pyfunction!(sha256_many, module)?)?;
    module.add_function(wrap_pyfunction!(hex_words, module)?)?;
    module.add_function(wrap_pyfunction!(instructions, module)?)
}
