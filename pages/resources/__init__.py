"""The page Resources: readings of the machine and of the engine."""
