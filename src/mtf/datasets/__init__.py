"""Published data sets as sources: each module reads one data set in its published form into pictures with labels."""
