"""Market: bars, order book, flow and regime of one symbol, with its forecasts and trades."""

from pages.market import view

view.show_market()
