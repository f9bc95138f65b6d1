"""Reads the body of a request up to a size, and its media type; who sends it, and how often it may."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from engine import units
from engine.domain.access import PUSH, Visitor, judge_access
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from engine.web.problems import describe_failure, problem
from engine.web.request_limit import RequestLimit

BUSY_MS = 2_000  # that a request waits for a locked store


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


def refuse_push(url: str, visitor: Visitor | None, name: str, now: int, address: str) -> Response | None:
    """The problem where a visitor may not post, which goes to the audit trail under `name`; None where they may."""
    reason = judge_access(visitor, PUSH)
    if reason is None:
        return None
    inbox = Inbox(url, busy_ms=BUSY_MS)
    try:
        inbox.enter_refusal(name, "nobody" if visitor is None else visitor.name, reason, now, f"API, {address}")
    except StoreError as error:
        return describe_failure(error, "nothing can be posted")
    finally:
        inbox.close()
    return problem(403, "Forbidden", reason)


def limit_requests(limit: RequestLimit, visitor: Visitor | None, what: str) -> Response | None:
    """The problem where a visitor sends too many; None where this one is taken."""
    wait = limit.take("" if visitor is None else visitor.name)
    if not wait:
        return None
    return problem(429, "Too Many Requests", f"too many {what} at once: send the next one in {wait} s", {"Retry-After": str(wait)})
