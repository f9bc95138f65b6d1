"""The page Optimizer: rules, actions, trials and measured savings."""
