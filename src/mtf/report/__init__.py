"""The report: one page, readable offline, that shows a data set's health at a glance."""
