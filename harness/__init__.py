"""A private eval harness. Plugin authors import `harness.api`; everything else is private."""
