"""Control: pause, resume, flatten, retrain, the simulated signal; and every command with its sender, reason and result."""

from __future__ import annotations

from pages.control.view import show_control

show_control()
