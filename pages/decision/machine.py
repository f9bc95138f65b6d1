"""The state of the machine and the age of the inputs at a decision."""

from __future__ import annotations

from engine import units
from engine.store.read.decision import DecisionDetails
from engine.store.read.moment import Moment
from pages.ui import widgets
from pages.ui.tables import FIGURE_COLUMNS, TableRow


def show_machine(decision: DecisionDetails, moment: Moment | None) -> None:
    """Draw the readings stored with the tick, else those nearest to it, and the ages of its inputs."""
    readings = decision.machine or (moment.readings if moment is not None else {})
    rows = list_machine_state(readings) + list_input_ages(moment)
    widgets.show_heading("Machine state", "pressure: share of the last 10 s")
    if moment is not None and not decision.machine and moment.readings_lag is not None:
        order = "before" if moment.readings_lag >= 0 else "after"
        widgets.show_note(f"The nearest readings, {units.format_duration(abs(moment.readings_lag))} {order} the decision.")
    if rows:
        widgets.show_table(FIGURE_COLUMNS, rows, label="The machine at the decision", cards=False)
    else:
        widgets.show_empty("no readings of the machine at this tick")


def list_machine_state(readings: dict[str, float | None] | dict[str, float]) -> list[TableRow]:
    """List the readings of the machine; the container's where there is one, and only known ones."""
    known = {name: value for name, value in readings.items() if value is not None}
    limited = "container" if "container.memory_percent" in known else "host"
    shown = (
        ("CPU, host", "host.cpu_percent", "%"),
        ("CPU, process", "process.cpu_percent", "%"),
        ("CPU throttled", "container.cpu_throttled_percent", "%"),
        (f"Memory, {limited}", f"{limited}.memory_percent", "%"),
        ("Memory, process", "process.rss_bytes", "bytes"),
        ("CPU pressure", "host.cpu_pressure_percent", "%"),
        ("Memory pressure", "host.memory_pressure_percent", "%"),
        ("I/O pressure", "host.io_pressure_percent", "%"),
        ("GC pause", "process.gc_pause_ms", "ms"),
        ("Data age", "engine.data_age_ms", "ms"),
        ("Threads", "process.threads", "count"),
    )
    return [
        TableRow(label, (label, units.format_age(known[name] / 1000) if name == "engine.data_age_ms" else units.format_reading(known[name], unit)))
        for label, name, unit in shown
        if name in known
    ]


def list_input_ages(moment: Moment | None) -> list[TableRow]:
    """List the ages of the newest trade and book when a live tick was decided; [] for history and other feeds."""
    ages = () if moment is None else (("Age of the newest trade", moment.trade_age_ms), ("Age of the book", moment.book_age_ms))
    return [TableRow(label, (label, units.format_ms(age))) for label, age in ages if age is not None]
