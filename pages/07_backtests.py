"""Backtests: run, watch, open, compare and delete them."""

from pages.backtests import view

view.show_backtests()
