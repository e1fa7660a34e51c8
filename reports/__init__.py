# SPDX-License-Identifier: Apache-2.0
"""One report value, made from a verified pack alone, and its renderings."""
