"""FiftyOne adapter of the review: app, samples and the plugin's operators."""
