"""Live markets: access to an exchange, its streams, the bars built from them, and their recording."""
