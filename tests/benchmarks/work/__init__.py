"""Tests of benchmarks.work."""
