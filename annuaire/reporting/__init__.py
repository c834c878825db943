"""What an operator asks of the whole store: how good it is, who may be there twice, who was on which version."""
