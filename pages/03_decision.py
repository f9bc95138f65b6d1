"""One decision: in words, its gates, its votes, its sizing and its outcome."""

from pages.decision import view

view.show_decision()
