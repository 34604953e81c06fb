"""What a report measures beyond one figure: protocols of others, time to detect a swap, what a bad call costs."""
