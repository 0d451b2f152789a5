"""Gates: requirements on a data set as a whole before it is published, checked by Great Expectations."""
