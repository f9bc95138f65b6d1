"""One script a page: read, draw, maybe submit a command."""
