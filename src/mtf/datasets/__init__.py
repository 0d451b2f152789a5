"""Published data sets as sources: each module reads one as it is published and gives pictures with labels."""
