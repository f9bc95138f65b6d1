"""The page Alerts: open and past alerts, silences, targets and drills."""
