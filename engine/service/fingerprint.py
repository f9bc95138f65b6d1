"""The platform that bits depend on: processor features, numpy and its BLAS, LightGBM, Python."""

from __future__ import annotations

import hashlib
import platform
from functools import cache

import lightgbm
import numpy as np
import threadpoolctl

from engine.domain.record import DIGEST_FORMAT


@cache
def read_platform() -> dict[str, str]:
    """The properties that must be equal for a replay to be equal in bits."""
    pools = threadpoolctl.threadpool_info()
    blas = sorted({f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip() for pool in pools})
    features = np.show_config(mode="dicts")["SIMD Extensions"]
    simd = hashlib.blake2b(repr(features).encode(), digest_size=4).hexdigest()
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "simd": simd,
        "blas": ", ".join(library for library in blas if "openmp" not in library),
        "lightgbm": lightgbm.__version__,
        "digests": DIGEST_FORMAT,
    }
