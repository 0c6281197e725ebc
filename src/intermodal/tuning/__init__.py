"""Hyperparameter tuning on this machine: what may vary, which values to try next, trials in processes of their own."""
