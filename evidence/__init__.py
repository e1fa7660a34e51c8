# SPDX-License-Identifier: Apache-2.0
"""Evidence packs: what was asked of a ledger, built, archived and verified without it."""
