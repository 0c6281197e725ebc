"""Answers of a trained model over HTTP."""
