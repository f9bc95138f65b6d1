"""What live charts and tables send: a digest and a patch against what the session was sent last; the browser fetches the whole where it lacks that.

Payloads are kept by their digest for as long as a session shows them, so that sessions which show the same share one payload, its compressed
bytes and its patches.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pages.ui.patches import Json, Patch, apply_patch, diff_json

FOLDER = "/podium/live/"
MAX_INLINE = 16_000  # bytes of a whole value that travels in a message
MAX_PATCH = 0.5  # share of the whole above which a patch is not worth sending
KEPT = 2  # payloads of a chart that a session keeps: the one it shows and the one that is on its way
KEYS = 24  # charts and tables that a session keeps payloads of, the last shown; more than a page has
PATCHES = 8  # of a payload, against different earlier ones
_SORTED = orjson.OPT_SORT_KEYS


@dataclass(eq=False)
class Payload:
    """A value as JSON text under its digest."""

    digest: str
    text: bytes
    _patches: dict[str, bytes | None] = field(default_factory=dict)

    @cached_property
    def value(self) -> Json:
        return orjson.loads(self.text)

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.text, 6, mtime=0)

    def patch_from(self, base: Payload) -> Patch | None:
        """Return the patch against an earlier payload; None where it is not worth it or would not give the same value."""
        try:
            text = self._patches[base.digest]
        except KeyError:
            text = self._find_patch(base)
            if len(self._patches) >= PATCHES:
                self._patches.clear()  # in any session: what is returned is held here
            self._patches[base.digest] = text
        return None if text is None else orjson.loads(text)

    def describe_whole(self) -> dict[str, Any]:
        """Return the message of the whole: a small one travels in it, as the patch of anything; a large one is fetched by its digest."""
        return {"digest": self.digest, "patch": ["=", self.value]} if len(self.text) <= MAX_INLINE else {"digest": self.digest}

    def describe_change(self, base: Payload | None) -> dict[str, Any]:
        """Return the message against an earlier payload, if there is one."""
        patch = None if base is None else self.patch_from(base)
        return self.describe_whole() if base is None or patch is None else {"digest": self.digest, "base": base.digest, "patch": patch}

    def _find_patch(self, base: Payload) -> bytes | None:
        patch = diff_json(base.value, self.value)
        text = orjson.dumps(patch)
        if len(text) > MAX_PATCH * len(self.text):
            return None
        same = orjson.dumps(apply_patch(base.value, patch), option=_SORTED) == orjson.dumps(self.value, option=_SORTED)
        return text if same else None


_payloads: WeakValueDictionary[str, Payload] = WeakValueDictionary()
_lock = Lock()


def register_payload(text: bytes) -> Payload:
    """Return the payload of a JSON text, the same one for every session that shows it."""
    digest = hashlib.blake2b(text, digest_size=16).hexdigest()
    with _lock:
        payload = _payloads.get(digest)
        if payload is None:
            payload = _payloads[digest] = Payload(digest, text)
    return payload


def find_payload(digest: str) -> Payload | None:
    """Return the payload of a digest; None where no session shows it any more."""
    return _payloads.get(digest)


def build_message(sent: MutableMapping[str, tuple[Payload, ...]], key: str, payload: Payload) -> dict[str, Any]:
    """Return what a component is given: the digest, and where the session was sent an earlier payload the patch against that."""
    earlier = sent.pop(key, ())  # the key moves to the end
    if earlier and earlier[-1] is payload:
        sent[key] = earlier
        return {"digest": payload.digest}
    sent[key] = (*earlier, payload)[-KEPT:]
    for oldest in list(sent)[:-KEYS]:
        del sent[oldest]
    return payload.describe_change(earlier[-1] if earlier else None)


def payload_route() -> Route:
    """Return the route of whole payloads; one that no session shows any more is answered with 204, since a newer one is on its way."""
    return Route(f"{FOLDER}{{digest}}.json", _serve_payload)


def _serve_payload(request: Request) -> Response:
    payload = find_payload(request.path_params["digest"])
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if payload is None:
        return Response(status_code=204, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(payload.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
    return Response(payload.text, headers=headers, media_type="application/json")
