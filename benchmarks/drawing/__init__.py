"""Drawing on images: marks, colours, text, and the part of an image that a picture shows."""
