"""The page Components: the state, speed, faults and traces of every part of the engine."""
