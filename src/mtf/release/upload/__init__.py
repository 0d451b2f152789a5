"""Upload of a release to Hugging Face's hub or to Zenodo."""
