"""The page Audit: who did what, when, from where and why."""

from pages.audit.view import show_audit

show_audit()
