"""Exchange of decisions with other tools: export and import."""
