"""How the benchmark would scale: a simulation of its units of work on 1 to 512 GPUs."""
