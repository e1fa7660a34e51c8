# SPDX-License-Identifier: Apache-2.0
"""The decision service: requests in, facts gathered, the engine asked, the answer recorded, then given."""

VERSION = "0.1.0"
