"""Reads the source of a tree and names every breach of the architecture; nothing is imported or run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PAGES = (
    "overview", "decisions", "decision", "market", "models", "portfolio", "backtests", "data", "components", "resources", "optimizer", "alerts",
    "control", "audit",
)  # fmt: skip
# A layer may import the ones before it. Parts in one set may import each other, parts in two sets of a layer may not. The longest prefix decides.
LAYERS: tuple[tuple[frozenset[str], ...], ...] = (
    (frozenset({"engine.domain"}),),
    (frozenset(f"engine.{name}" for name in ("settings", "trading_parameters", "schema", "plugins", "libraries", "units", "evidence", "window")),),
    (frozenset({"engine.evolution"}),),
    (
        *(frozenset({f"engine.{name}"}) for name in ("features", "models", "phases", "optimizer", "run", "search")),
        frozenset({"engine.broker", "engine.matching"}),
        frozenset({f"engine.alerting.{name}" for name in ("rules", "messages", "alert_state")}),
    ),
    (frozenset({"engine.orchestrator", "engine.health", "engine.explain", "engine.bots"}), frozenset({"engine.report"})),
    (frozenset({"engine.files"}), frozenset({"engine.commands"})),
    (frozenset({"engine.feeds", "engine.live", "engine.importers"}), *(frozenset({f"engine.{name}"}) for name in ("probes", "actions", "store"))),
    (
        frozenset(
            {
                "engine.replay",
                "engine.story",
                "engine.counterfactual",
                "engine.parity",
                "engine.backtest",
                "engine.certify",
                "engine.service",
                "engine.access",
                "engine.resilience",
                "engine.alerting",
                "engine.optimizer.runtime",
            }
        ),
    ),
    (frozenset({"pages.ui"}),),
    tuple(frozenset({f"pages.{name}"}) for name in PAGES),
    (frozenset({"pages"}),),
    (frozenset({"app", "engine.__main__", "engine.cli", "engine.web"}),),
)
PURE_LAYERS = 5
IMPURE = frozenset({
    "time", "datetime", "random", "os", "pathlib", "sqlite3", "sqlalchemy", "socket", "threading", "subprocess", "logging", "pandas", "streamlit",
    "psutil", "pynvml", "secrets", "tempfile", "shutil", "asyncio", "multiprocessing", "urllib", "http", "requests",
})  # fmt: skip
PURITY_EXCEPTIONS = {("engine.domain.optimization", "pathlib"), ("engine.units", "datetime")}  # paths as values, times as text
PAGES_MAY_USE = (
    "engine.domain", "engine.settings", "engine.trading_parameters", "engine.schema", "engine.plugins", "engine.units", "engine.commands",
    "engine.health", "engine.explain",
    "engine.replay", "engine.report.savings",
    "engine.optimizer.rule_state", "engine.optimizer.preview", "engine.optimizer.default_rules", "engine.optimizer.rule_schema",
    "engine.alerting.rules", "engine.store.read", "engine.store.inbox", "engine.store.database", "engine.store.errors", "engine.store.backtest_files",
    "engine.store.certificate_file", "engine.store.parity_file",
    "engine.service.settings_loader", "engine.service.clock", "engine.files", "engine.access.desk", "engine.access.logins",
    "engine.access.tokens",
)  # fmt: skip
ONLY_IN = {"streamlit": ("pages", "app"), "pandas": ("engine.store.read", "engine.cli", "pages")}
CATCH_ALL = frozenset({"engine.run", "engine.service.scheduler"})
ELSEWHERE_ABSENT = {  # by module: names that some systems lack, such as Windows
    "os": frozenset({
        "nice", "fork", "getuid", "geteuid", "getgid", "getegid", "sched_getaffinity", "sched_setaffinity", "statvfs", "O_DIRECTORY", "O_NOFOLLOW",
        "O_NONBLOCK", "O_SYNC", "O_DSYNC", "killpg", "setsid", "setpgid", "getpgid", "getpriority", "setpriority", "getloadavg", "mkfifo", "uname",
        "wait4", "posix_fadvise", "pread", "pwrite", "sysconf", "chown", "fchown", "fchmod", "fdatasync", "sync", "sendfile", "memfd_create",
    }),
    "signal": frozenset({"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE", "SIGSTOP", "SIGCONT", "SIGCHLD", "SIGQUIT", "alarm"}),
    "socket": frozenset({"AF_UNIX", "SO_REUSEPORT"}),
    "time": frozenset({"tzset", "clock_gettime"}),
}  # fmt: skip
MODULES_ABSENT = frozenset({"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix", "readline", "curses"})
FILE_LINES, STATEMENTS = 400, 30


@dataclass(frozen=True, slots=True)
class Module:
    """One file, parsed."""

    name: str
    tree: ast.Module
    lines: int
    is_package: bool


def read_tree(root: Path) -> tuple[Module, ...]:
    """Every module of engine/, pages/ and app.py under `root`."""
    files = sorted([*root.glob("engine/**/*.py"), *root.glob("pages/**/*.py"), *root.glob("app.py")])
    return tuple(_read(root, path) for path in files if "migrations" not in path.parts)


def _read(root: Path, path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(root).with_suffix("").parts
    package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if package else parts), ast.parse(text), len(text.splitlines()), package)


def faults(modules: tuple[Module, ...]) -> list[str]:
    """Every breach of the architecture, one line each."""
    known = {module.name for module in modules}
    breaches: list[str] = []
    for module in modules:
        imported = sorted(set(_imports(module.tree, known)))
        breaches += [
            *_size(module),
            *_docstrings(module),
            *_catch_all(module),
            *_layers(module, imported),
            *_purity(module, imported),
            *_portable(module),
        ]
    return breaches + _cycles({module.name: set(_imports(module.tree, known, at_run_time=True)) & known for module in modules})


def _imports(tree: ast.AST, known: set[str], *, at_run_time: bool = False) -> Iterator[str]:
    """The modules a file imports, `from a import b` as a.b where b is a module."""
    for node in _nodes(tree, at_run_time=at_run_time):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base


def _nodes(tree: ast.AST, *, at_run_time: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if at_run_time and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _nodes(node, at_run_time=at_run_time)


def _size(module: Module) -> Iterator[str]:
    if module.lines > FILE_LINES:
        yield f"{module.name} has {module.lines} lines, over {FILE_LINES}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = sum(isinstance(child, ast.stmt) for child in ast.walk(node)) - 1 - (ast.get_docstring(node) is not None)
            if count > STATEMENTS:
                yield f"{module.name}.{node.name} has {count} statements, over {STATEMENTS}"


def _docstrings(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield f"{module.name} does not open with a docstring"
    if module.is_package and len(module.tree.body) > 1:
        yield f"{module.name}/__init__.py holds more than a docstring"


def _catch_all(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and module.name not in CATCH_ALL:
            yield f"{module.name} line {node.lineno} catches every exception"


def _catches_all(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_catches_all(error) for error in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"})


def _portable(module: Module) -> Iterator[str]:
    """A name that some systems lack needs `hasattr`, a check of the platform, or `except ImportError` around it."""
    for node in _without_provision(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"{module.name} imports {name}, which not every system has" for name in names if name.split(".")[0] in MODULES_ABSENT)
        elif isinstance(node, ast.Attribute) and node.attr == "num_fds":
            yield f"{module.name} line {node.lineno} uses num_fds, which not every system has"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in ELSEWHERE_ABSENT.get(node.value.id, ()):
            yield f"{module.name} line {node.lineno} uses {node.value.id}.{node.attr}, which not every system has"


def _without_provision(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If | ast.IfExp) and any(word in ast.dump(node.test) for word in ("hasattr", "platform")):
            continue
        if isinstance(node, ast.Try) and any("ImportError" in ast.dump(handler.type) for handler in node.handlers if handler.type):
            continue
        yield node
        yield from _without_provision(node)


def _place(name: str) -> tuple[int, int, str] | None:
    """Layer, part and the part's name; the longest prefix wins."""
    best: tuple[int, int, str] | None = None
    for layer, parts in enumerate(LAYERS):
        for part, prefixes in enumerate(parts):
            for prefix in prefixes:
                if (name == prefix or name.startswith(f"{prefix}.")) and (best is None or len(prefix) > len(best[2])):
                    best = (layer, part, prefix)
    return best


def _layers(module: Module, imported: list[str]) -> Iterator[str]:
    here = _place(module.name)
    if here is None:
        if module.name not in {"engine", "pages"}:
            yield f"{module.name} is in no layer"
        return
    for name in imported:
        there = _place(name)
        if there is not None and (there[0] > here[0] or (there[0] == here[0] and there[1] != here[1])):
            yield f"{module.name} imports {name}, which is not below it"
        if module.name.startswith("pages") and name.startswith("engine.") and not _is_under(name, PAGES_MAY_USE):
            yield f"{module.name} imports {name}, which pages may not use"


def _is_under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _purity(module: Module, imported: list[str]) -> Iterator[str]:
    here = _place(module.name)
    pure = here is not None and here[0] < PURE_LAYERS
    for name in imported:
        top = name.partition(".")[0]
        if pure and top in IMPURE and (module.name, top) not in PURITY_EXCEPTIONS:
            yield f"{module.name} is pure and imports {name}"
        if top in ONLY_IN and not _is_under(module.name, ONLY_IN[top]):
            yield f"{module.name} imports {name}, which belongs to {', '.join(ONLY_IN[top])}"


def _cycles(graph: Mapping[str, set[str]]) -> list[str]:
    """One line per cycle, by depth-first search."""
    cycles: list[str] = []
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            cycles.append(f"import cycle: {' -> '.join((*path[path.index(name) :], name))}")
            return
        if name in done:
            return
        for other in sorted(graph.get(name, set())):
            walk(other, (*path, name))
        done.add(name)

    for name in sorted(graph):
        walk(name, ())
    return cycles
