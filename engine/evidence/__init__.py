"""Statistics of forecasts, costs, faults and effects, as pure functions."""
