// SPDX-License-Identifier: Apache-2.0
//! The Python module `assay_accel`: ML-DSA-87 (FIPS 204, pure, empty context, hedged) by AWS-LC.
//!
//! This file holds what Python sees; `keys.rs` the keys, `workers.rs` the threads. The interpreter's lock is released
//! while anything is computed.
#![forbid(unsafe_code)]

mod keys;
mod workers;

/// ML-DSA-87, as an accelerator of Assay's reference implementation.
#[pyo3::pymodule]
mod assay_accel {
    use std::num::NonZero;

    use pyo3::exceptions::{PyRuntimeError, PyValueError};
    use pyo3::prelude::*;
    use pyo3::pybacked::PyBackedBytes;
    use pyo3::types::PyBytes;

    use crate::{keys, workers};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
        module.add("IMPLEMENTATION", keys::implementation())
    }

    /// A private key. It has no repr, getter or pickle that shows the seed; AWS-LC wipes it when it is freed.
    #[pyclass(frozen, module = "assay_accel")]
    struct SigningKey(keys::SigningKey);

    #[pymethods]
    impl SigningKey {
        #[new]
        fn new(py: Python<'_>, seed: &[u8]) -> PyResult<Self> {
            let size = seed.len();
            py.detach(|| keys::SigningKey::from_seed(seed))
                .map(Self)
                .ok_or_else(|| {
                    PyValueError::new_err(format!("an ML-DSA-87 seed has 32 bytes, not {size}"))
                })
        }

        fn public_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
            PyBytes::new(py, self.0.public_bytes())
        }

        fn sign<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
            let signature = py.detach(|| self.0.sign(data)).ok_or_else(not_signed)?;
            Ok(PyBytes::new(py, &signature))
        }

        #[pyo3(signature = (messages, threads = 0))]
        fn sign_many<'py>(
            &self,
            py: Python<'py>,
            messages: Vec<PyBackedBytes>,
            threads: usize,
        ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
            let threads = NonZero::new(threads);
            let signatures = py
                .detach(|| workers::sign_many(&self.0, &messages, threads))
                .ok_or_else(not_signed)?;
            Ok(signatures.iter().map(|s| PyBytes::new(py, s)).collect())
        }
    }

    /// A public key.
    #[pyclass(frozen, module = "assay_accel")]
    struct VerifyingKey(keys::VerifyingKey);

    #[pymethods]
    impl VerifyingKey {
        #[new]
        fn new(raw: &[u8]) -> PyResult<Self> {
            keys::VerifyingKey::from_raw(raw).map(Self).ok_or_else(|| {
                PyValueError::new_err(format!(
                    "an ML-DSA-87 public key has 2592 bytes, not {}",
                    raw.len()
                ))
            })
        }

        fn verify(&self, py: Python<'_>, signature: &[u8], data: &[u8]) -> bool {
            py.detach(|| self.0.verify(signature, data))
        }

        #[pyo3(signature = (pairs, threads = 0))]
        fn verify_many(
            &self,
            py: Python<'_>,
            pairs: Vec<(PyBackedBytes, PyBackedBytes)>,
            threads: usize,
        ) -> PyResult<Option<usize>> {
            let threads = NonZero::new(threads);
            py.detach(|| workers::first_invalid(&self.0, &pairs, threads))
                .map_err(|workers::Died| PyRuntimeError::new_err("a verifying thread died"))
        }
    }

    fn not_signed() -> PyErr {
        PyRuntimeError::new_err("AWS-LC could not sign")
    }
}
