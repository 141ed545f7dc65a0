"""Properties are not timed: the first example pays for lazy imports, and the machine may be busy."""

from hypothesis import settings

settings.register_profile("graders", deadline=None, print_blob=True)
settings.load_profile("graders")
