"""Records of measured cells, published rows, and the tables made of both."""
