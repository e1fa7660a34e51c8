# SPDX-License-Identifier: Apache-2.0
"""The `assay` command: one module for each verb, imported when it is used."""
