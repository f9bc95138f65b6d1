"""The page Control: commands to the engine, and their record."""
