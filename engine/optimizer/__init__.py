"""Choose which action to run and judge its effect, as pure functions; `runtime` runs them in the engine."""
