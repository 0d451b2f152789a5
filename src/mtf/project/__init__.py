"""Project as a whole: a new project from the sample, the audits, and a check of the machine."""
