"""Answers to questions about one stored decision, from its stored inputs and state."""
