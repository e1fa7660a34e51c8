# SPDX-License-Identifier: Apache-2.0
"""Signed events in a Merkle tree: values, proofs, the store and the one writer."""
