"""Where calls come from: every source hands decoded frames of each participant to a listener."""
