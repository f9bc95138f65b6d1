"""What this process holds of the machine's memory, and giving back what it has freed."""

from __future__ import annotations

import ctypes

import psutil


def resident_bytes() -> int:
    """Bytes of memory this process holds (RSS)."""
    return int(psutil.Process().memory_info().rss)


def can_return_pages() -> bool:
    """Whether the C library can be asked to return freed pages."""
    return _malloc_trim() is not None


def return_freed_pages() -> str:
    """Returns freed pages to the system; what came of it, in words."""
    found = _malloc_trim()
    if found is None:
        return "this system has no malloc_trim"
    found.argtypes, found.restype = (ctypes.c_size_t,), ctypes.c_int
    return "malloc_trim returned pages" if found(0) else "malloc_trim had no page to return"


def _malloc_trim() -> ctypes._NamedFuncPointer | None:
    """glibc's malloc_trim; None with another C library."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
