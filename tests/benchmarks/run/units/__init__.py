"""Tests of benchmarks.run.units."""
