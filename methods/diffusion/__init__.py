"""A frozen diffusion model: finding, reading and running its weights."""
