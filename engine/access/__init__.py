"""Accounts of people, their passwords and their log-ins."""
