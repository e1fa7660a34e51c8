# SPDX-License-Identifier: Apache-2.0
"""The demonstration: what `assay demo` sends through the service."""
