"""The gate strip and the counts of binding gates, continued from what was built before: a stored decision never changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.store.read import decisions
from engine.store.read.decisions import GateCounts, GateTally
from engine.store.read.reader import Reader
from engine.store.read.status import SessionInfo, read_session_range
from pages.overview import charts
from pages.overview.charts import StripColumn
from pages.ui import cache
from pages.ui.charts import Figure


@dataclass(slots=True)
class StripMemory:
    """The columns of one session's newest ticks."""

    session: SessionInfo | None = None
    columns: dict[int, StripColumn] = field(default_factory=dict)


_strips: dict[str, StripMemory] = {}
_tallies: dict[str, GateTally] = {}


def plot_newest(session: SessionInfo, ticks: int) -> Figure:
    """Plot the newest ticks of the session; only those since the last call are read, where that was the same session."""
    reader = cache.get_reader()
    if reader.past is not None:
        return charts.plot_gate_strip(decisions.read_gate_strip(reader, ticks), session)
    memory = _strips.setdefault(reader.url, StripMemory())
    return charts.compose_gate_strip(update_columns(memory, reader, session, ticks), session)


def count_newest() -> GateCounts:
    """Count the binding gates of the last 24 h; only the ticks that have come or left since the last call are read."""
    reader = cache.get_reader()
    if reader.past is not None:
        return decisions.count_binding_gates(reader, cache.current_time())
    tally = decisions.tally_gates(reader, cache.current_time(), _tallies.get(reader.url))
    if tally is None:
        return decisions.NO_COUNTS
    _tallies[reader.url] = tally
    return tally.to_counts()


def update_columns(memory: StripMemory, reader: Reader, session: SessionInfo, ticks: int) -> dict[int, StripColumn]:
    """Return the columns of the newest ticks by tick, ascending; the newest one of before is read again, by which another store is noticed."""
    known = memory.columns if memory.session == session else {}
    since = max(known, default=None)
    columns = charts.build_strip_columns(decisions.read_gate_strip(reader, ticks, since=since), session)
    if since is not None and columns.get(since) != known[since]:
        known, columns = {}, charts.build_strip_columns(decisions.read_gate_strip(reader, ticks), session)
    columns = known | columns
    ends = read_session_range(reader) or (0, 0)
    oldest = max(ends[0], max(columns, default=0) - ticks + 1)  # the first stored tick, where earlier ones were pruned
    memory.session, memory.columns = session, {tick: column for tick, column in columns.items() if tick >= oldest}
    return memory.columns


def forget() -> None:
    """Forget what was built before."""
    _strips.clear()
    _tallies.clear()
