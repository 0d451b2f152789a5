"""Crawl: search for the roster's pictures, fetch them, and store the evidence for their licenses."""
