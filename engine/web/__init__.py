"""What the server answers besides pages: health, metrics for Prometheus, and JSON of the store's views."""
