# SPDX-License-Identifier: Apache-2.0
from support.packs import log, whole

__all__ = ["log", "whole"]
