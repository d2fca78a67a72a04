"""Checkpoints that mean harm, made at the structures of their formats: see `__main__`."""
