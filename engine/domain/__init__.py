"""The records that the parts of the engine exchange, and a few pure functions on them."""
