"""Answers what has changed on a page since what a browser shows."""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from engine import units
from engine.store.read.reader import StoreUnreadable
from pages.overview import content as overview
from pages.overview.content import OverviewPage
from pages.ui import cache, frame, live, updates
from pages.ui.frame import Header
from pages.ui.navigation import PAGES
from pages.ui.shared import build_once
from pages.ui.updates import PageParts

TITLES = frozenset(title for _, title, _, _ in PAGES)
RECENT = 6  # builds of Overview that patches can be made against, beside what sessions hold
SMALL = 400  # bytes that are not worth compressing
_recent: deque[OverviewPage] = deque(maxlen=RECENT)


def build_answer(url: str, title: str, shown: Mapping[str, str], since: int | None) -> dict[str, Any]:
    """Return what a browser needs that shows these parts of a page: clock, frames and changes; `since` is the end of its previous visit, ns UTC.

    Without a readable store there is no clock and no frame, so that the scripts run and say why.
    """
    with cache.reading_outside(url):
        try:
            header, page = build_once(f"updates: {title}", lambda: _build_page(title), seconds=frame.REFRESH)
            own = overview.build_own_parts(page, since).parts if page.status is not None else {}
        except StoreUnreadable:
            return {"frames": {}, "parts": {}}
        clock = {"now": cache.current_time() // units.MS, "tab": live.describe_tab(header.tab)}
    parts = {**header.live.parts, **page.live.parts, **own}
    return {"clock": clock, "frames": {"header": header.live.frame, "page": page.live.frame}, "parts": updates.list_changes(parts, shown)}


def _build_page(title: str) -> tuple[Header, OverviewPage]:
    """Build the live parts of a page from one snapshot of the store."""
    with cache.read_snapshot():
        header = frame.build_header(title)
        if title != overview.TITLE:
            return header, OverviewPage(PageParts(""))
        page = overview.build_page()
        _recent.append(page)
        return header, page


def serve_updates(url: str, request: Request) -> Response:
    """Answer with what has changed of the parts that the request names, in the store of this address."""
    title, query = request.path_params["title"], request.query_params
    if title not in TITLES:
        return PlainTextResponse("There is no such page.\n", 404)
    since = query.get("since", "")
    at = int(since) * units.MS if since.isascii() and since.isdecimal() and len(since) < 15 else None
    text = orjson.dumps(build_answer(url, title, updates.parse_shown(query.get("have", "")), at))
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if len(text) > SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(gzip.compress(text, 6, mtime=0), headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
    return Response(text, headers=headers, media_type="application/json")
