//! Threads that recover signatures while their caller does something else.
//!
//! Signatures are handed over (`begin`) and asked for later (`Pending::get`). They wait in one queue.
//! A thread takes as many at a time as the engine likes, and fewer towards the end of the queue, so
//! that all threads end together. Who asks for answers works, too, instead of only waiting: without
//! any other thread, all is recovered there.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::dispatch::{Flagged, Implementation, recover_here};
use crate::engine::{Address, Answer, CHUNK, Signatures};

/// Another thread is worth its start for this many signatures.
const WORTH_A_THREAD: usize = 64;
/// The fewest that a thread takes at the end of the queue: fewer cost more each.
const FEWEST: usize = 32;

/// Signatures with memory of their own, in columns.
#[derive(Default)]
pub struct Columns {
    pub digests: Vec<u8>,
    pub rs: Vec<u8>,
    pub ss: Vec<u8>,
    pub vs: Vec<u8>,
}

impl Columns {
    /// Adds digest, r, s and v.
    pub fn push(&mut self, (digest, r, s, v): ([u8; 32], [u8; 32], [u8; 32], u8)) {
        self.digests.extend(digest);
        self.rs.extend(r);
        self.ss.extend(s);
        self.vs.push(v);
    }

    pub fn signatures(&self) -> Signatures<'_> {
        Signatures { digests: &self.digests, rs: &self.rs, ss: &self.ss, vs: &self.vs }
    }
}

impl From<Signatures<'_>> for Columns {
    fn from(given: Signatures<'_>) -> Self {
        Self {
            digests: given.digests.to_vec(),
            rs: given.rs.to_vec(),
            ss: given.ss.to_vec(),
            vs: given.vs.to_vec(),
        }
    }
}

/// Threads, which begin when there is enough to do, and end when this is dropped.
pub struct Workers {
    shared: Arc<Shared>,
    /// So many at most with the caller; 0 stands for as many as cores.
    most: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There are more signatures, or more answers, or it is over.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// So many were started.
    threads: usize,
    /// Signatures with the number of those that a thread has taken.
    jobs: VecDeque<(Arc<Job>, usize)>,
    /// How many no thread has taken.
    left: usize,
    ended: bool,
}

struct Job {
    columns: Columns,
    implementation: Implementation,
    flagged: Flagged,
    progress: Mutex<Progress>,
}

struct Progress {
    answers: Vec<Answer>,
    missing: usize,
    failed: bool,
}

/// Some of a job's signatures.
type Part = (Arc<Job>, Range<usize>);

impl Workers {
    /// `threads` counts the caller, and 0 stands for as many as cores.
    pub fn new(threads: usize) -> Self {
        Self { shared: Arc::default(), most: threads }
    }

    /// Hands signatures over.
    pub fn begin(
        &self,
        columns: Columns,
        implementation: Implementation,
        flagged: Flagged,
    ) -> Pending {
        let missing = columns.vs.len();
        let answers = vec![Answer::Nothing; missing];
        let progress = Mutex::new(Progress { answers, missing, failed: false });
        let job = Arc::new(Job { columns, implementation, flagged, progress });
        if missing > 0 {
            let mut queue = locked(&self.shared.queue);
            queue.left += missing;
            queue.jobs.push_back((Arc::clone(&job), 0));
            self.start_threads(&mut queue);
            drop(queue);
            self.shared.changed.notify_all();
        }
        Pending { shared: Arc::clone(&self.shared), job }
    }

    /// Starts as many threads as can help with what is in the queue.
    fn start_threads(&self, queue: &mut Queue) {
        if self.most == 1 || queue.left < 2 * WORTH_A_THREAD {
            return; // to ask how many cores there are takes as long as a recovery
        }
        let most = match self.most {
            0 => thread::available_parallelism().map_or(1, usize::from),
            most => most,
        };
        while queue.threads + 1 < most.min(queue.left / WORTH_A_THREAD) {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("payloads".into());
            if thread.spawn(move || shared.work()).is_err() {
                return; // the others, and the caller, do the work
            }
            queue.threads += 1;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        locked(&self.shared.queue).ended = true;
        self.shared.changed.notify_all();
    }
}

/// Answers that come.
pub struct Pending {
    shared: Arc<Shared>,
    job: Arc<Job>,
}

impl Pending {
    /// All answers, as soon as there are all.
    pub fn get(&self) -> Vec<Answer> {
        while !self.job.is_done() {
            let mut queue = locked(&self.shared.queue);
            if let Some(part) = queue.take() {
                drop(queue);
                self.shared.recover(part);
            } else if !self.job.is_done() {
                drop(self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner));
            }
        }
        let progress = locked(&self.job.progress);
        assert!(!progress.failed, "a thread that recovers signatures failed");
        progress.answers.clone()
    }
}

impl Shared {
    /// What a thread does.
    fn work(&self) {
        let mut queue = locked(&self.queue);
        while !queue.ended {
            if let Some(part) = queue.take() {
                drop(queue);
                self.recover(part);
                queue = locked(&self.queue);
            } else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn recover(&self, (job, range): Part) {
        let mut answers = vec![Answer::Nothing; range.len()];
        // A caller that waits must hear of it, too.
        let failed = catch_unwind(AssertUnwindSafe(|| {
            let part = job.columns.signatures().slice(range.start, range.end);
            recover_here(part, job.implementation, job.flagged, &mut answers);
        }))
        .is_err();
        let mut progress = locked(&job.progress);
        progress.answers[range.clone()].copy_from_slice(&answers);
        progress.missing -= range.len();
        progress.failed |= failed;
        let done = progress.missing == 0;
        drop(progress);
        if done {
            // Under the lock: a caller that has just looked must not miss it.
            let _queue = locked(&self.queue);
            self.changed.notify_all();
        }
    }
}

impl Queue {
    /// The next signatures in the queue, so many that all threads are busy to the end.
    fn take(&mut self) -> Option<Part> {
        let (job, taken) = self.jobs.front_mut()?;
        let most = match self.threads {
            0 => CHUNK,
            others => (self.left / (others + 1)).next_multiple_of(8).clamp(FEWEST, CHUNK),
        };
        let (begin, total) = (*taken, job.columns.vs.len());
        // A rest that is too small goes with them, if that is still a run of the engine.
        let end = if total - begin <= CHUNK.min(most + FEWEST) { total } else { begin + most };
        *taken = end;
        let part = (Arc::clone(job), begin..end);
        if end == total {
            self.jobs.pop_front();
        }
        self.left -= end - begin;
        Some(part)
    }
}

impl Job {
    fn is_done(&self) -> bool {
        locked(&self.progress).missing == 0
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answers, by ecrecover's rules: addresses, or None. `threads` of 0: as many as cores.
pub fn recover(
    signatures: Signatures<'_>,
    implementation: Implementation,
    threads: usize,
) -> Vec<Option<Address>> {
    let answers = answers(signatures, implementation, threads, Flagged::Recovered);
    answers.into_iter().map(Answer::address).collect()
}

/// As `recover`, and the caller says what becomes of flagged signatures.
pub fn answers(
    signatures: Signatures<'_>,
    implementation: Implementation,
    threads: usize,
    flagged: Flagged,
) -> Vec<Answer> {
    if threads == 1 || signatures.len() < 2 * WORTH_A_THREAD {
        let mut answers = vec![Answer::Nothing; signatures.len()];
        recover_here(signatures, implementation, flagged, &mut answers);
        return answers;
    }
    Workers::new(threads).begin(signatures.into(), implementation, flagged).get()
}
