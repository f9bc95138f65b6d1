"""A day's report: the records it is made from, what it says, and how that is written."""
