"""What drifted, to look at: one file from the rows of judging, or from alert records alone."""
