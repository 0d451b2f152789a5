"""Gates: what a data set must hold as a whole before it is published, checked by Great Expectations."""
