"""Commands from people to the engine: typed arguments, one router, handlers by subject."""
