"""Training of the mini diffusion model on captioned drawings: ``python -m benchmarks.pretrain --help``."""
