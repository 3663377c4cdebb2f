"""Hides payloads-simd from every process that has this folder in its PYTHONPATH."""

import sys

sys.modules["payloads_simd"] = None  # type: ignore[assignment]
