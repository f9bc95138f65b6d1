"""The engine: a pure core that decides, and a service that runs it."""
