"""Networks of faces in torch."""
