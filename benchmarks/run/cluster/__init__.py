"""Runs on a cluster: scripts for SLURM, and Ray with a schedule of units, workers that do them and a view of both."""
