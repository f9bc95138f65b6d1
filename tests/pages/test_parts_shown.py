"""What pages show of a part only, of nothing, and of what is not measured."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from engine import units
from pages.overview import machine
from pages.portfolio.tables import render_execution
from pages.resources.panels import build_resource_tiles
from pages.ui import theme, tiles
from pages.ui.charts import new_figure
from pages.ui.forest_plot import NARROW_CHARACTERS, add_legend
from tests.pages.stores import NOW, store
from tests.pages.test_pages import run, text
from tests.store.made import SYMBOLS

READINGS = pd.DataFrame({"at": [NOW], "source": ["host"], "name": ["cpu_percent"], "value": [23.0], "unit": ["%"]})
TRENDS = pd.DataFrame(columns=["source", "name", "mean"])


def test_a_detail_of_a_tile_is_left_out_where_it_is_not_measured() -> None:
    shown = [*machine.build_machine_tiles(READINGS, TRENDS, None, NOW), *build_resource_tiles(READINGS, NOW)]
    for tile in shown:
        assert not tile.small.startswith((units.MISSING, units.NOT_MEASURED)), tile
        assert f" {units.MISSING} " not in tile.small, tile
    whole = pd.concat([READINGS, READINGS.assign(name="processors", value=2.0), READINGS.assign(name="disk_percent", value=40.0)])
    assert machine.build_machine_tiles(whole, TRENDS, None, NOW)[0].small == "2 processors"
    assert build_resource_tiles(whole, NOW)[3].small == "40.0 % used"


def test_a_part_is_named_as_such() -> None:
    assert tiles.describe_part(24, 50, "symbol") == ", 24 of 50 symbols"
    assert not tiles.describe_part(8, 8, "symbol")


def test_old_decisions_and_no_orders_are_said_in_words(full_store: str, tmp_path: Path) -> None:
    with store("as it was made", full_store, tmp_path) as url:
        shown = text(run("01_overview.py", url))
    assert "no decision in the last 24 h" in shown
    assert "no order has ended yet" in render_execution([])


@pytest.mark.parametrize("following", [True, False])
def test_the_keyboard_scrolls_the_boxes_of_the_followed_decision(following: bool, full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        shown = text(run("03_decision.py", url, **({} if following else {"tick": "100", "symbol": SYMBOLS[0]})))
    boxes = re.findall(r'tabindex="0" role="(\w+)" aria-label="([^"]+)"', shown)
    assert boxes == ([("group", "The newest decision"), ("region", "The decision in words")] if following else [])


def test_a_long_legend_stands_in_several_lines_on_a_phone() -> None:
    names = ["ridge", "lightgbm", "kmeans_prototypes", "random_fourier_features", "ensemble"]
    figure = new_figure(height=200, top=26)
    figure.add_note("another", x=0, y=0)
    add_legend(figure, [(name, theme.UP) for name in names])
    narrow = figure.layout["meta"]["narrow"]
    (path,) = [path for path in narrow if path.startswith("layout.annotations.")]
    assert figure.layout["annotations"][int(path.split(".")[2])]["text"].count("\N{BLACK CIRCLE}") == len(names)
    lines = [re.sub("<[^>]+>", "", line) for line in narrow[path].split("<br>")]
    assert len(lines) > 1
    assert max(map(len, lines)) <= NARROW_CHARACTERS + 3
    assert re.findall(r"\w+", " ".join(lines)) == names
    assert narrow["layout.margin.t"] > 26
    short = new_figure(height=200)
    add_legend(short, [("ridge", theme.UP)])
    assert "meta" not in short.layout
