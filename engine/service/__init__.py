"""The thin shell: clocks, jobs, training, the lease and the engine's step."""
