// SPDX-License-Identifier: Apache-2.0
//! Many signatures at once, by a few threads that end with the call.

use std::num::NonZero;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use crate::keys::{SigningKey, VerifyingKey};

/// Asked for once: the system answers from files, which takes half as long as a verification.
static CORES: OnceLock<NonZero<usize>> = OnceLock::new();

/// A thread panicked, so its part of the work was not done.
#[derive(Debug, PartialEq)]
pub struct Died;

/// Sign all messages, in their order; nothing if any could not be signed.
pub fn sign_many(
    key: &SigningKey,
    messages: &[impl AsRef<[u8]> + Sync],
    threads: Option<NonZero<usize>>,
) -> Option<Vec<Vec<u8>>> {
    let mut signatures = vec![None; messages.len()];
    // How long a signature takes varies tenfold, so each thread takes the next message when it is free.
    let work = Mutex::new(messages.iter().zip(signatures.iter_mut()));
    run(threads, messages.len(), || {
        while let Some((message, signature)) = next(&work) {
            *signature = key.sign(message.as_ref());
        }
    })
    .ok()?;
    signatures.into_iter().collect()
}

/// The index of the first pair (signature, data) that is not valid.
pub fn first_invalid(
    key: &VerifyingKey,
    pairs: &[(impl AsRef<[u8]> + Sync, impl AsRef<[u8]> + Sync)],
    threads: Option<NonZero<usize>>,
) -> Result<Option<usize>, Died> {
    let found = AtomicUsize::new(usize::MAX);
    let work = Mutex::new(pairs.iter().enumerate());
    run(threads, pairs.len(), || {
        // Pairs are handed out in order: once one is found invalid, those not handed out yet are all behind it.
        while found.load(Ordering::Relaxed) == usize::MAX {
            let Some((index, (signature, data))) = next(&work) else {
                break;
            };
            if !key.verify(signature.as_ref(), data.as_ref()) {
                found.fetch_min(index, Ordering::Relaxed);
            }
        }
    })?;
    let found = found.into_inner();
    Ok((found != usize::MAX).then_some(found))
}

fn next<I: Iterator>(work: &Mutex<I>) -> Option<I::Item> {
    work.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// Run `worker` on this thread and on as many more as are asked for, of use and to be had.
fn run(threads: Option<NonZero<usize>>, jobs: usize, worker: impl Fn() + Sync) -> Result<(), Died> {
    let cores =
        *CORES.get_or_init(|| thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN));
    let useful = threads.unwrap_or(cores).min(cores).get().min(jobs);
    thread::scope(|scope| {
        let others: Vec<_> = (1..useful)
            // A thread that the system refuses is done without.
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, &worker).ok())
            .collect();
        let mut died = catch_unwind(AssertUnwindSafe(&worker)).is_err();
        // Each is joined, whatever became of the others: a scope panics over one that died unjoined.
        for other in others {
            died |= other.join().is_err();
        }
        if died {
            Err(Died)
        } else {
            Ok(())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SEED_SIZE;

    const THREADS: [Option<NonZero<usize>>; 4] =
        [None, NonZero::new(1), NonZero::new(2), NonZero::new(1000)];

    fn keys() -> (SigningKey, VerifyingKey) {
        let key = SigningKey::from_seed(&[7; SEED_SIZE]).unwrap();
        let public = VerifyingKey::from_raw(key.public_bytes()).unwrap();
        (key, public)
    }

    fn messages(count: u8) -> Vec<Vec<u8>> {
        (0..count).map(|n| vec![n; 10]).collect()
    }

    #[test]
    fn signatures_come_in_the_order_of_the_messages() {
        let (key, public) = keys();
        for threads in THREADS {
            for count in [0, 1, 2, 9] {
                let messages = messages(count);
                let signatures = sign_many(&key, &messages, threads).unwrap();
                assert_eq!(signatures.len(), messages.len());
                let pairs: Vec<_> = signatures.into_iter().zip(messages).collect();
                assert_eq!(first_invalid(&public, &pairs, threads), Ok(None));
            }
        }
    }

    #[test]
    fn the_first_of_several_invalid_signatures_is_named() {
        let (key, public) = keys();
        let messages = messages(20);
        let signatures = sign_many(&key, &messages, None).unwrap();
        let mut pairs: Vec<_> = signatures.into_iter().zip(messages).collect();
        for index in (0..20).rev() {
            // By turns one of a wrong size, which is known at once, and a spoilt one, which takes its time.
            if index % 2 == 0 {
                pairs[index].0.truncate(9);
            } else {
                pairs[index].0[9] ^= 1;
            }
            for threads in THREADS {
                assert_eq!(first_invalid(&public, &pairs, threads), Ok(Some(index)));
            }
        }
    }

    #[test]
    fn a_thread_that_dies_is_no_success() {
        for threads in THREADS {
            assert_eq!(run(threads, 2, || panic!("as this test wants")), Err(Died));
        }
    }
}
