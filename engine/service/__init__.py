"""The service: everything that runs around the engine in the process that holds the store."""
