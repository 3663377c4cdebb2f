//! The Python module. The interpreter's lock is released while signatures are recovered.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyIterator, PyList};

use crate::dispatch::{Flagged, Implementation, fastest, has_vectors, hashes};
use crate::engine::{Answer, CHUNK};
use crate::python_lines::{count_lines, find, hex_words, line_ends, read_lines, sha256_many};
use crate::python_records::{take_apart, unhex_many};
use crate::workers::{Columns, Pending, Workers};

/// As many pieces are waited for while the interpreter's lock is released.
const AT_ONCE: usize = 8;

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

/// The next words of a sequence, one after the other.
fn joined(words: &mut Bound<'_, PyIterator>, count: usize) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(32 * count);
    for word in words.take(count) {
        let word = word?;
        let bytes: &[u8] = word.extract()?;
        if bytes.len() != 32 {
            return Err(PyValueError::new_err("a word must have 32 bytes"));
        }
        out.extend_from_slice(bytes);
    }
    if out.len() != 32 * count {
        return Err(different_lengths());
    }
    Ok(out)
}

fn different_lengths() -> PyErr {
    PyValueError::new_err("columns of different lengths")
}

/// Recovery ids; what does not fit a byte becomes one that never recovers.
fn ids(vs: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = vs.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    vs.try_iter()?.map(|v| Ok(v?.extract::<u8>().unwrap_or(u8::MAX))).collect()
}

/// Threads that recover signatures while Python goes on. `threads` counts the caller, who works when
/// answers are asked for; 0 stands for as many as cores.
#[pyclass(name = "Workers", frozen)]
struct PyWorkers(Workers);

#[pymethods]
impl PyWorkers {
    #[new]
    fn new(threads: usize) -> Self {
        Self(Workers::new(threads))
    }

    /// A list of addresses is what `get()` of the result returns, each 20 bytes or None; with
    /// `leave_flagged`, False where only libsecp256k1 can say, which was not asked.
    #[pyo3(signature = (digests, rs, ss, vs, implementation = None, leave_flagged = false))]
    fn recover_many<'py>(
        &self,
        digests: &Bound<'py, PyAny>,
        rs: &Bound<'py, PyAny>,
        ss: &Bound<'py, PyAny>,
        vs: &Bound<'py, PyAny>,
        implementation: Option<&str>,
        leave_flagged: bool,
    ) -> PyResult<PendingList> {
        let vs = ids(vs)?;
        let implementation = chosen(implementation, vs.len())?;
        let flagged = if leave_flagged { Flagged::Left } else { Flagged::Recovered };
        let (mut digests, mut rs, mut ss) = (digests.try_iter()?, rs.try_iter()?, ss.try_iter()?);
        // Piece by piece: the first is recovered while the next is read.
        let pieces = vs.chunks(CHUNK).map(|vs| {
            let columns = Columns {
                digests: joined(&mut digests, vs.len())?,
                rs: joined(&mut rs, vs.len())?,
                ss: joined(&mut ss, vs.len())?,
                vs: vs.to_vec(),
            };
            Ok(self.0.begin(columns, implementation, flagged))
        });
        let pieces = pieces.collect::<PyResult<_>>()?;
        if [digests, rs, ss].iter_mut().any(|column| column.next().is_some()) {
            return Err(different_lengths());
        }
        Ok(PendingList(pieces))
    }

    /// Addresses (20 bytes each) and a byte for each are what `get()` of the result returns: 1 for
    /// an address, 0 for none.
    #[pyo3(signature = (digests, rs, ss, vs, implementation = None))]
    fn recover_packed(
        &self,
        py: Python<'_>,
        digests: PyBuffer<u8>,
        rs: PyBuffer<u8>,
        ss: PyBuffer<u8>,
        vs: PyBuffer<u8>,
        implementation: Option<&str>,
    ) -> PyResult<PendingBytes> {
        // Copied: another thread may write to a buffer while signatures are recovered.
        let columns = Columns {
            digests: digests.to_vec(py)?,
            rs: rs.to_vec(py)?,
            ss: ss.to_vec(py)?,
            vs: vs.to_vec(py)?,
        };
        let all = columns.signatures();
        if [all.digests, all.rs, all.ss].iter().any(|each| each.len() != 32 * all.len()) {
            return Err(different_lengths());
        }
        let implementation = chosen(implementation, all.len())?;
        let pieces = (0..all.len()).step_by(CHUNK).map(|at| {
            let piece = all.slice(at, all.len().min(at + CHUNK));
            self.0.begin(piece.into(), implementation, Flagged::Recovered)
        });
        Ok(PendingBytes(pieces.collect()))
    }
}

/// The answers of all pieces, as soon as they are there. Ctrl-C is heard between some and others.
fn wait(py: Python<'_>, pieces: &[Pending], mut take: impl FnMut(Answer)) -> PyResult<()> {
    for some in pieces.chunks(AT_ONCE) {
        let answers = py.detach(|| some.iter().flat_map(Pending::get).collect::<Vec<_>>());
        answers.into_iter().for_each(&mut take);
        py.check_signals()?;
    }
    Ok(())
}

/// The list of `recover_many`, as soon as it is complete.
#[pyclass(frozen)]
struct PendingList(Vec<Pending>);

#[pymethods]
impl PendingList {
    fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut found = Vec::new();
        wait(py, &self.0, |answer| found.push(shown(py, answer)))?;
        PyList::new(py, found)
    }
}

fn shown(py: Python<'_>, answer: Answer) -> Bound<'_, PyAny> {
    match answer {
        Answer::Address(address) => PyBytes::new(py, &address).into_any(),
        Answer::Nothing => py.None().into_bound(py),
        Answer::Flagged => PyBool::new(py, false).to_owned().into_any(),
    }
}

/// The addresses of `recover_packed`, as soon as all are there.
#[pyclass(frozen)]
struct PendingBytes(Vec<Pending>);

#[pymethods]
impl PendingBytes {
    fn get<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (mut addresses, mut found) = (Vec::new(), Vec::new());
        wait(py, &self.0, |answer| {
            let address = answer.address();
            addresses.extend_from_slice(&address.unwrap_or_default());
            found.push(address.is_some().into());
        })?;
        Ok((PyBytes::new(py, &addresses), PyBytes::new(py, &found)))
    }
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
    module.add_class::<PyWorkers>()?;
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
