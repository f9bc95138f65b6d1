"""Passwords as Argon2id hashes (argon2-cffi, RFC 9106)."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH, MAX_LENGTH = 10, 1_000  # characters


def require_good_password(password: str) -> str:
    """Return the password; raises ValueError in one line where it is too short or too long. It is never part of the message."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ValueError(f"the password has {len(password)} characters: give {MIN_LENGTH} to {MAX_LENGTH}")
    return password


def hash_password(password: str) -> str:
    """Hash a password with a salt of its own, at the library's recommended cost."""
    return _hasher().hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether a password is that of a stored hash. Without one, as much work is done, so that time does not tell which names exist."""
    try:
        _hasher().verify(_no_hash() if stored is None else stored, password[: MAX_LENGTH + 1])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _no_hash() -> str:
    return _hasher().hash("nobody has this password")
