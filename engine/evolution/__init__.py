"""Evolution: the arms of contests, what follows from their verdicts, and the triggers that start trainings and searches."""
