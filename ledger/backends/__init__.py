# SPDX-License-Identifier: Apache-2.0
"""Implementations of ML-DSA-87 behind one port; `cryptography` is the reference that the others are held against."""
