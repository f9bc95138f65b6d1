"""Errors of the API as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from engine.service.logging import LOG

MEDIA_TYPE = "application/problem+json"


def describe_failure(error: Exception, what: str) -> JSONResponse:
    """Answer that something is impossible while the store or the key cannot be used. Why is in the log alone: it names files of this machine."""
    LOG.warning("%s: %s", what, error)
    return problem(503, "Service Unavailable", f"{what} right now: the log of Podium says why; try again", {"Retry-After": "2"})


def problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Answer with what went wrong: `title` names the kind, `detail` is one line with the value and the remedy."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, MEDIA_TYPE)
