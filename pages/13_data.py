"""Data: the recordings there are, what each holds, and the import of other people's files."""

from pages.data import view

view.show_data()
