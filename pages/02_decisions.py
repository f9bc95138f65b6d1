"""Decisions: the live table, with its filters in the address."""

from pages.decisions import view

view.show_decisions()
