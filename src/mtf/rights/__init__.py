"""Rights of pictures: licenses, evidence, opt-out signals, the project's policy, attribution, and audits."""
