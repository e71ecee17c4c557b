"""A session's report: one page that needs nothing else, its figures with their numbers, and a notebook."""
