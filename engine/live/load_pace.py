"""Whether missed bars are loaded faster than new bars close."""

from __future__ import annotations

from engine import units

SLOW_LOADS = 2  # in a row, before it is a problem: the exchange may have been away during the first


class LoadPace:
    """Judges loads of bars by the bars that closed meanwhile."""

    def __init__(self, symbols: int, interval: int, allowed: int) -> None:
        """`interval` in ns; at most `allowed` bars may close during a load, else the bars after it are missed, too."""
        self._symbols, self._interval, self._allowed = symbols, interval, allowed
        self._slow, self._nanoseconds = 0, 0  # slow loads in a row; of the last

    @property
    def problem(self) -> str | None:
        """A line where bars close faster than they can be loaded; None otherwise."""
        if self._slow < SLOW_LOADS:
            return None
        return (
            f"the newest bars of {units.format_count(self._symbols, 'symbol')} took {units.format_age(self._nanoseconds / 1e9)} to load, in which "
            f"{self._nanoseconds // self._interval:,} bars closed: no bar is fresh and nothing is decided; set fewer symbols or a longer interval"
        )

    def add_load(self, nanoseconds: int) -> bool:
        """Take the time that a load of missed bars took; whether another can still catch up."""
        self._slow = self._slow + 1 if nanoseconds > self._allowed * self._interval else 0
        self._nanoseconds = nanoseconds
        return self._slow < SLOW_LOADS

    def clear(self) -> None:
        """Take that a bar was closed in time: what was slow before is over."""
        self._slow = 0
