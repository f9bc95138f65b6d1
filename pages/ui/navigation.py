"""The pages with their addresses, and the response at an unknown address."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = (  # file, title, address, icon
    ("01_overview.py", "Overview", None, ":material/monitoring:"),
    ("02_decisions.py", "Decisions", "decisions", ":material/list_alt:"),
    ("03_decision.py", "Decision", "decision", ":material/account_tree:"),
    ("04_market.py", "Market", "market", ":material/candlestick_chart:"),
    ("05_models.py", "Models", "models", ":material/model_training:"),
    ("06_portfolio.py", "Portfolio", "portfolio", ":material/account_balance_wallet:"),
    ("07_backtests.py", "Backtests", "backtests", ":material/history:"),
    ("08_components.py", "Components", "components", ":material/lan:"),
    ("09_resources.py", "Resources", "resources", ":material/memory:"),
    ("10_optimizer.py", "Optimizer", "optimizer", ":material/tune:"),
    ("11_alerts.py", "Alerts", "alerts", ":material/notifications:"),
    ("12_control.py", "Control", "control", ":material/toggle_on:"),
    ("13_data.py", "Data", "data", ":material/database:"),
    ("14_audit.py", "Audit", "audit", ":material/verified:"),
)
_KNOWN = frozenset(f"/{address or ''}" for _, _, address, _ in PAGES)
_NO_PAGES = ("/_stcore/", "/api/", "/app/static/", "/component/", "/media/", "/static/")  # files may be HTML there
_MAX_PATH = 120  # characters of an unknown address shown
_HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>No such page - Podium</title>
<style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:12vh auto;padding:0 1.2rem;overflow-wrap:anywhere}}
h1{{font-size:1.4rem}}li{{margin:.15rem 0}}</style></head>
<body><h1>There is no page {path}</h1><p>These are the pages:</p><ul>{links}</ul></body></html>"""


class NotFoundMiddleware:
    """Middleware that responds with 404 and the list of pages where Streamlit would open its first page or a blank one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _KNOWN or scope["path"].startswith(_NO_PAGES):
            await self._app(scope, receive, send)
            return
        replaced = False

        async def replace(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 200 and _is_html(message):
                replaced = True
                await _no_such_page(scope["path"])(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, replace)


def _no_such_page(path: str) -> HTMLResponse:
    shown = escape(path if len(path) <= _MAX_PATH else path[:_MAX_PATH] + "\N{HORIZONTAL ELLIPSIS}")
    links = "".join(f'<li><a href="/{address or ""}">{title}</a></li>' for _, title, address, _ in PAGES)
    return HTMLResponse(_HTML.format(path=shown, links=links), 404)


def _is_html(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"])
