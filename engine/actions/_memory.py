"""The memory of this process, and the return of freed pages to the system."""

from __future__ import annotations

import ctypes

import psutil


def resident_bytes() -> int:
    """Bytes of memory this process holds (RSS)."""
    return int(psutil.Process().memory_info().rss)


def can_return_pages() -> bool:
    """Whether the C library can return freed pages."""
    return _malloc_trim() is not None


def return_freed_pages() -> str:
    """Return freed pages to the system; the outcome in words."""
    malloc_trim = _malloc_trim()
    if malloc_trim is None:
        return "this system has no malloc_trim"
    malloc_trim.argtypes, malloc_trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return "malloc_trim returned pages" if malloc_trim(0) else "malloc_trim had no page to return"


def _malloc_trim() -> ctypes._NamedFuncPointer | None:
    """glibc's malloc_trim; None with another C library."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
