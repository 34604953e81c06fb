"""Benchmarks that hold speed claims: run by hand, never as tests."""
