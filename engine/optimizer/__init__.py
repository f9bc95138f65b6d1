"""Which optimization to run and what it did, as pure functions."""
