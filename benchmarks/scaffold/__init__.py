"""Writes a working plugin to begin a new method with."""
