"""Build, version, audit and evaluate licensed face-image data sets."""

__version__ = "0.1.0"
