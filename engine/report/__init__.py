"""A day's report: its records, its contents and its rendering."""
