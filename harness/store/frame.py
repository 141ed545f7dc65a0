"""A run as a pandas DataFrame."""
