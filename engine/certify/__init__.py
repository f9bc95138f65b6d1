"""A certificate of no look-ahead, by execution: the future is replaced and everything is decided again."""
