"""`guard bench latency`: from the camera to the score that somebody sees, stage by stage."""
