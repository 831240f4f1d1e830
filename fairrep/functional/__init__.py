"""Pure torch: tensors in, tensors out; no state, no input or output."""
