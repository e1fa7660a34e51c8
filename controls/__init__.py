# SPDX-License-Identifier: Apache-2.0
"""Frameworks, their controls, and which rule bears on which control."""
