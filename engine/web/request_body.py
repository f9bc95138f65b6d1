"""Reads the body of a request up to a size, and its media type; who sends it, and how often it may."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from engine import units
from engine.domain.access import Visitor
from engine.web.problems import problem
from engine.web.request_limit import RequestLimit


async def read_body(request: Request, most: int, remedy: str) -> bytes | Response:
    """The body, or the problem where it is larger than `most` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return problem(413, "Content Too Large", f"the body is larger than {units.format_bytes(most)}: {remedy}")
        parts.append(part)
    return b"".join(parts)


def read_media_type(request: Request) -> str:
    """The media type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def find_address(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client is not None else "unknown address"


def limit_requests(limit: RequestLimit, visitor: Visitor | None, what: str) -> Response | None:
    """The problem where a visitor sends too many; None where this one is taken."""
    wait = limit.take("" if visitor is None else visitor.name)
    if not wait:
        return None
    return problem(429, "Too Many Requests", f"too many {what} at once: send the next one in {wait} s", {"Retry-After": str(wait)})
