"""Self-distillation of the mini vision transformer on drawings, without captions and landmarks."""
