"""Feature maps of frozen networks behind one interface: a diffusion model, a vision transformer, or convolutions."""
