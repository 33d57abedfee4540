"""The shell around the core: saves the phase, runs the effects, feeds the results back."""
