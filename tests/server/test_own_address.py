"""Whatever loopback address the server listens on, a browser that opens it gets its pages."""

from __future__ import annotations

import sys

import pytest
from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed


@pytest.mark.parametrize(("address", "host"), [("127.0.0.1", "127.0.0.1:8501"), ("::1", "[::1]:8501"), ("127.1.2.3", "127.1.2.3:8501")])
def test_the_address_it_listens_on_is_a_name_of_its_own(address: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import app

    before = config.get_option("server.allowedHosts")
    monkeypatch.setattr(sys, "argv", ["uvicorn", "app:app", "--host", address])
    try:
        app._allow_own_address()
        assert is_host_allowed(host)
        assert is_host_allowed("localhost:8501")
        assert not is_host_allowed("example.org:8501")
    finally:
        config.set_option("server.allowedHosts", before)
