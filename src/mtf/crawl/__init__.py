"""Search for the roster's pictures, fetch them, and keep what the web states of their licenses."""
