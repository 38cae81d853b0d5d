"""Writes a working plugin, a method or a dataset, to be changed into a new one."""
