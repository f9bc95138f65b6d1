"""The platform that bits depend on: processor features, numpy and its BLAS, LightGBM, Python."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import threadpoolctl

from engine.domain.record import DIGEST_FORMAT
from engine.models._lightgbm_library import library as lightgbm

_SCIPY = frozenset({"scipy", "scipy.libs"})  # folders of its own BLAS


@cache
def read_platform() -> dict[str, str]:
    """The properties that must be equal for a replay to be equal in bits."""
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in pools if not _SCIPY.intersection(Path(pool["filepath"]).parts)]  # decisions use numpy's, whatever else is loaded
    blas = sorted({f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip() for pool in own or pools})
    features = np.show_config(mode="dicts")["SIMD Extensions"]
    simd = hashlib.blake2b(repr(features).encode(), digest_size=4).hexdigest()
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "simd": simd,
        "blas": ", ".join(blas),
        "lightgbm": lightgbm.__version__,
        "digests": DIGEST_FORMAT,
    }


def find_platform_changes(then: Mapping[str, str]) -> list[str]:
    """What differs on this machine from the platform of a session, in words; none where bits are equal."""
    now = read_platform()
    return [f"{name} {then.get(name)} then, {value} now" for name, value in now.items() if not _is_same(name, then.get(name), value)]


def _is_same(name: str, then: str | None, now: str) -> bool:
    """Whether a property is the same; up to version 0.8 a session listed the BLAS of every library that was loaded."""
    return then == now or (name == "blas" and then is not None and set(now.split(", ")) <= set(then.split(", ")))
