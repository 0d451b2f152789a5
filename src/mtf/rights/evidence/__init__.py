"""Evidence for licenses: statements of pages, of embedded metadata and of API records, combined and compared."""
