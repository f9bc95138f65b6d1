"""Portfolio: equity and drawdown, positions, orders, and fills with their costs."""

from pages.portfolio import view

view.show_portfolio()
