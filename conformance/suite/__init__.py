"""The tests that pytest runs on every backend: facts, operations, random programs, corpus."""
