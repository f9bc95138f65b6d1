"""The page Models: skill, weights, votes, calibration and versions of the models."""
