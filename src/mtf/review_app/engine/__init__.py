"""Engine of the review: queue, pages, triage and sessions, independent of FiftyOne."""
