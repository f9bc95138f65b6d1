"""Overview: health, the latest decisions, and the reasons for not trading."""

from pages.overview import view

view.show_overview()
