# SPDX-License-Identifier: Apache-2.0
"""Reports: what verified evidence shows. Only a VerifiedPack can become one, so none rests on unverified evidence."""
