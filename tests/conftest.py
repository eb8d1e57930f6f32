import os

from hypothesis import settings

# The same examples in every run, so that a change is what breaks a test; HYPOTHESIS_SEARCH=1 looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("search" if os.environ.get("HYPOTHESIS_SEARCH") else "same")
