"""Reports of test runners, read on the host: one module per format, one canonical record."""
