"""Identity from how expressions change: series of expression coefficients, no picture (arXiv 2510.11223)."""
