"""open_clip's towers in fewer operations: the same functions of the same tensors, up to rounding."""
